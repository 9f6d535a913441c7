"""`python -m truing`, which is also what `torchrun -m truing` starts: the command line."""

from truing.cli.main import main

if __name__ == "__main__":
    main()
