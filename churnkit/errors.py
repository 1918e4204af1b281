"""Every error that a user can cause, as one tree.

ChurnkitError
├── ProjectError: ProjectNotFound · ProjectExists · ProjectBusy · ErasedMeanwhile ·
│   SettingsInvalid
├── DataError: DataUnreadable · DataEmpty · ColumnMissing · BadValue · TargetInvalid ·
│   DuplicateIds · TooManyColumns · LeakageFound · UnknownCustomer · TooManyBroken · LogChanged ·
│   LabelsNotMatured · UnknownEventType · MomentTooOld · NoOnlineState · HoldoutInvalid ·
│   Ambiguous: AmbiguousTarget · AmbiguousLog · AmbiguousSheet
├── FeatureError: FeaturesExist · AsOfInvalid · TooLittleMemory
├── TrainingError: TooFewRows · BudgetTooSmall · UnknownRun · RunUnreadable · CannotRepeat
├── RegistryError: NoChampion · UnknownModelVersion · NothingToRollBack · AliasMoved ·
│   ParityFailed ·
│   BundleError: BundleUnreadable · BundleTampered · BundleTooNew · BundleForeign · UntrustedType
├── RolloutError: PlanInvalid · EvidenceInvalid · RolloutOver · StepNotAllowed · UnknownRollout ·
│   RolloutRunning · RolloutChanged · UnknownExperiment · ExperimentRunning · ExperimentOver
├── MonitoringError: BaselineChanged · NothingMatured · AlertNotSent
├── JobError: UnknownJob · JobActive · ClaimLost · JobGivenUp · JobHasNoResult
├── UnknownKey
├── ServiceError: ServiceUnreachable · ServiceRefused
├── BrokerUnreachable
├── StorageError: StorageUnreachable · LedgerBusy · FolderReadOnly · FolderNotEmpty · DiskFull
├── MissingDependency
└── Cancelled

Each says what was wrong, where (file, row, column, field, …) and what to do about it.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar


class ChurnkitError(Exception):
    """Base of all errors that churnkit raises on purpose.

    Parameters
    ----------
    what : one sentence that says what was wrong
    fix : one sentence that says what to do
    where : named places, such as ``file=…``, ``row=…``, ``column=…``; None is left out
    """

    code: ClassVar[str] = "error"

    def __init__(self, what: str, *, fix: str = "", **where: object) -> None:
        self.what = what
        self.fix = fix
        self.where = {name: value for name, value in where.items() if value is not None}
        super().__init__(what)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in cls.__name__)
        cls.code = name.lstrip("_")

    def __str__(self) -> str:
        places = ", ".join(f"{name} {value}" for name, value in self.where.items())
        text = f"{places}: {self.what}" if places else self.what
        return f"{text} {self.fix}".rstrip()

    def to_json(self) -> dict[str, object]:
        """The error as plain data: code, what, fix, where."""
        where = {
            name: value if isinstance(value, int | float | bool) else str(value)
            for name, value in self.where.items()
        }
        return {"code": self.code, "what": self.what, "fix": self.fix, "where": where}


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or lists some of them."""
    names = list(known)
    folded = {name.casefold().strip(): name for name in names}
    close = difflib.get_close_matches(given.casefold().strip(), folded, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{folded[close[0]]}'?"
    if not names:
        return "There are none."
    shown = ", ".join(f"'{name}'" for name in names[:12])
    return f"Known: {shown}{' …' if len(names) > 12 else ''}."


# --- the project folder ---------------------------------------------------------------


class ProjectError(ChurnkitError):
    """Something is wrong with the project folder."""


class ProjectNotFound(ProjectError):
    """The folder holds no churnkit.toml."""


class ProjectExists(ProjectError):
    """`init` was asked to create a project where one is."""


class ProjectBusy(ProjectError):
    """Another process is writing to this project; the message names it."""


class ErasedMeanwhile(ProjectError):
    """A customer was erased while something was made of what had been read of him."""


class SettingsInvalid(ProjectError):
    """churnkit.toml or a CHURNKIT_* variable holds something that cannot be used."""


# --- data -------------------------------------------------------------------------------


class DataError(ChurnkitError):
    """Something is wrong with the customer's data."""


class DataUnreadable(DataError):
    """A file or a query cannot be read as a table."""


class DataEmpty(DataError):
    """A table without columns or without rows."""


class ColumnMissing(DataError):
    """A column that is needed is not there."""


class BadValue(DataError):
    """A value that its column cannot hold."""


class Ambiguous(DataError):
    """Something that churnkit does not guess silently; somebody may be asked.

    Parameters
    ----------
    options : the possible answers, as they are; where they are shown, they may be cut short
    question : what is asked for, the same word whenever it is asked; empty: the target
    """

    def __init__(
        self,
        what: str,
        *,
        fix: str = "",
        options: Sequence[str] = (),
        question: str = "",
        **where: object,
    ) -> None:
        super().__init__(what, fix=fix, **where)
        self.options = tuple(options)
        self.question = question


class AmbiguousTarget(Ambiguous):
    """Several columns could be the target (or none); churnkit does not guess silently."""


class TargetInvalid(DataError):
    """The target has one class, more than two, or blanks."""


class DuplicateIds(DataError):
    """One customer has several rows where one is allowed."""


class TooManyColumns(DataError):
    """More columns than churnkit handles."""


class LeakageFound(DataError):
    """Columns know the answer; training on them is blocked."""


class UnknownCustomer(DataError):
    """No row for this customer."""


class AmbiguousSheet(Ambiguous):
    """An Excel file has several sheets with rows, and none was named."""


class AmbiguousLog(Ambiguous):
    """It is not clear what a column of events is for; churnkit does not guess silently."""


class TooManyBroken(DataError):
    """So many rows cannot be used that the settings are probably wrong."""


class LogChanged(DataError):
    """churnkit.toml describes the log otherwise than it was imported."""


class UnknownEventType(DataError):
    """No events of this type."""


class LabelsNotMatured(DataError):
    """Whether customers churned is not known yet at these dates."""


class MomentTooOld(DataError):
    """The online state no longer knows what held at this moment."""


class NoOnlineState(DataError):
    """No online state was made yet, or none of the features that are wanted."""


class HoldoutInvalid(DataError):
    """A hold-out that cannot be fixed, or that is not there."""


# --- features ---------------------------------------------------------------------------


class FeatureError(ChurnkitError):
    """A feature, or features.toml, cannot be used; the message names file, feature and key."""


class FeaturesExist(FeatureError):
    """features.toml is there already, and was not to be replaced."""


class AsOfInvalid(FeatureError):
    """A moment to look from that is no date, or not clear."""


class TooLittleMemory(FeatureError):
    """The features do not fit into the memory that was allowed."""


# --- training ---------------------------------------------------------------------------


class TrainingError(ChurnkitError):
    """A model cannot be trained."""


class TooFewRows(TrainingError):
    """Not enough customers, or not enough of them churned."""


class BudgetTooSmall(TrainingError):
    """No candidate could be tried within the budget."""


class UnknownRun(TrainingError):
    """No record of a run with this name."""


class RunUnreadable(TrainingError):
    """The record of a run was damaged."""


class CannotRepeat(TrainingError):
    """A recorded run cannot be repeated: the data or the versions differ."""


# --- registry ---------------------------------------------------------------------------


class RegistryError(ChurnkitError):
    """A model version cannot be admitted, found or moved."""


class NoChampion(RegistryError):
    """No model serves yet."""


class UnknownModelVersion(RegistryError):
    """No model version with this name."""


class NothingToRollBack(RegistryError):
    """There is no earlier champion."""


class AliasMoved(RegistryError):
    """Another version holds the alias than was expected."""


class ParityFailed(RegistryError):
    """The compiled path and scikit-learn disagree."""


class BundleError(RegistryError):
    """A model's files cannot be used."""


class BundleUnreadable(BundleError):
    """A file of the bundle is missing, cut off or not what it should be."""


class BundleTampered(BundleError):
    """A file's SHA-256 is not the one that was recorded."""


class BundleTooNew(BundleError):
    """The bundle was written by a later churnkit."""


class BundleForeign(BundleError):
    """The folder is not a churnkit bundle."""


class UntrustedType(BundleError):
    """The model's file names a type that is not on churnkit's list."""


# --- rollouts ---------------------------------------------------------------------------


class RolloutError(ChurnkitError):
    """A rollout cannot be planned or judged."""


class PlanInvalid(RolloutError):
    """A rollout's plan holds something that cannot be used."""


class EvidenceInvalid(RolloutError):
    """Numbers that cannot be evidence: not in their range, out of order, or from elsewhere."""


class RolloutOver(RolloutError):
    """The attempt was aborted or the challenger promoted; only a new attempt goes on."""


class StepNotAllowed(RolloutError):
    """A rollout cannot do this where it stands."""


class UnknownRollout(RolloutError):
    """No rollout with this name, or none at all."""


class RolloutRunning(RolloutError):
    """Another rollout has not ended yet."""


class RolloutChanged(RolloutError):
    """Somebody changed the rollout since it was looked at."""


class UnknownExperiment(RolloutError):
    """No experiment with this name, or none at all."""


class ExperimentRunning(RolloutError):
    """An experiment that has not been stopped has these customers."""


class ExperimentOver(RolloutError):
    """The experiment was stopped: nobody enters it any more."""


# --- monitoring -------------------------------------------------------------------------


class MonitoringError(ChurnkitError):
    """What was asked of a running model cannot be computed."""


class BaselineChanged(MonitoringError):
    """Counters of a stream are continued against another reference distribution."""


class NothingMatured(MonitoringError):
    """No customer's label has matured, or only one class of them."""


class AlertNotSent(MonitoringError):
    """A webhook or a mail server did not take an alert."""


# --- jobs -------------------------------------------------------------------------------


class JobError(ChurnkitError):
    """A job of the service cannot be found, continued or changed."""


class UnknownJob(JobError):
    """There is no such job, or it was deleted."""


class JobActive(JobError):
    """The job is not over yet."""


class ClaimLost(JobError):
    """Another process works on this job now."""


class JobGivenUp(JobError):
    """The job's process died again and again."""


class JobHasNoResult(JobError):
    """The job ended without what was asked for."""


# --- storage ----------------------------------------------------------------------------


class StorageError(ChurnkitError):
    """A file or a database cannot be written or reached."""


class StorageUnreachable(StorageError):
    """The ledger's database does not answer."""


class LedgerBusy(StorageError):
    """More waits for the ledger's database than may wait."""


class FolderReadOnly(StorageError):
    """No permission to write here."""


class FolderNotEmpty(StorageError):
    """A new folder was asked for where something is."""


class DiskFull(StorageError):
    """No space left on the device."""


# --- the rest ---------------------------------------------------------------------------


class ServiceError(ChurnkitError):
    """The service, asked over HTTP, gave no answer that could be used."""


class ServiceUnreachable(ServiceError):
    """No service answers, or it is not able to for too long."""


class ServiceRefused(ServiceError):
    """The service refused the request; ``where`` has its problem's type and status."""


class BrokerUnreachable(ChurnkitError):
    """The message broker does not answer, or refuses us."""


class UnknownKey(ChurnkitError):
    """No valid API key with this id."""


class MissingDependency(ChurnkitError):
    """An optional package is needed for this."""


class Cancelled(ChurnkitError):
    """The user stopped the work; what was there before is unchanged."""


@contextmanager
def storage_errors(path: Path | str) -> Iterator[None]:
    """Turn the operating system's refusals to write into our errors.

    Raises
    ------
    DiskFull : no space, or a quota is used up
    FolderReadOnly : no permission, or a read-only file system
    StorageError : a folder stands where the file should be, or a file where a folder should
    """
    try:
        yield
    except OSError as error:
        # The last one: a limit on the size of files, which the system set for this process.
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFull(
                "the disk is full; nothing was changed.",
                fix="Free some space and run the command again.",
                path=path,
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FolderReadOnly(
                "churnkit may not write here.",
                fix="Give yourself write permission, or choose another folder.",
                path=path,
            ) from error
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            raise StorageError(
                f"this cannot be written: {os.strerror(error.errno).lower()}.",
                fix="Choose another name.",
                path=path,
            ) from error
        raise
