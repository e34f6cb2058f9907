"""What the notebooks need of pytest: a marker where the default environment lacks something, and no times in them."""

import nbformat
import pytest

_NEEDS = {"a_study_on_a_laptop_and_on_ray.ipynb": pytest.mark.ray}


def pytest_collection_modifyitems(items):
    """Give a notebook its marker, before ``-m`` deselects by it."""
    for item in items:
        if marker := _NEEDS.get(item.path.name):
            item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Take out of a notebook that nbmake has written (``--overwrite``) what differs from call to call."""
    result = yield
    if item.path.suffix == ".ipynb" and item.config.getoption("overwrite"):
        notebook = nbformat.read(item.path, as_version=4)
        notebook.metadata["language_info"] = {"name": "python"}
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)
        nbformat.write(notebook, item.path)
    return result
