"""churnkit: churn models that one can trust."""
