"""`python -m study`: the same as `study`, where the package is not installed but sent along, as with a job."""

from study.cli import main

if __name__ == "__main__":
    main()
