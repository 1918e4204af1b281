; The console's setup program for Windows, by Inno Setup 6.
; Not verified: it is built by the release workflow, on a runner with Windows.
; ISCC /DVersion=1.2.3 /DFolder=build\installer\dist\churnkit-desktop /DOut=dist churnkit.iss

[Setup]
AppId={{6E0C6B0E-5B3F-4C53-9F0B-3B6B6D1C9B57}
AppName=churnkit
AppVersion={#Version}
AppPublisher=The churnkit authors
DefaultDirName={autopf}\churnkit
DefaultGroupName=churnkit
DisableProgramGroupPage=yes
LicenseFile=..\..\LICENSE
OutputDir={#Out}
OutputBaseFilename=churnkit-desktop-{#Version}-windows
Compression=lzma2/max
SolidCompression=yes
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
; Without rights of an administrator it installs for this user alone.
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
UninstallDisplayIcon={app}\churnkit-desktop.exe
WizardStyle=modern

[Files]
Source: "{#Folder}\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion

[Tasks]
Name: desktopicon; Description: "An icon on the desktop"; Flags: unchecked

[Icons]
Name: "{autoprograms}\churnkit"; Filename: "{app}\churnkit-desktop.exe"
Name: "{autodesktop}\churnkit"; Filename: "{app}\churnkit-desktop.exe"; Tasks: desktopicon

[Run]
Filename: "{app}\churnkit-desktop.exe"; Description: "Start churnkit"; Flags: nowait postinstall skipifsilent
