"""`python -m truing`, which is also what `torchrun -m truing` starts: the command line."""

from truing.cli.start import run

if __name__ == "__main__":
    run()
