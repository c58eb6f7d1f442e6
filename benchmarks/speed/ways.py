"""What is compared, as rows and pages call it."""

SNR_DB = 25.0  # of recording to perturbation, for all
OURS = "ours"
ALL_STEPS = "ours, all steps"
LOOP = "the paper's loop"
OPT = "OPT, no budget"
BOUNDED_OPT = f"OPT within {SNR_DB:g} dB"
