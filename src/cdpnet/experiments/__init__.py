"""Many trainings and evaluations together: ablation, benchmark tables, pretraining."""
