"""``python -m tslm``: the ``tslm`` command."""

from tslm.interfaces.cli.main import main

if __name__ == "__main__":
    main()
