"""The functions and views of SQL for analysts, and the catalog's view of current embeddings."""

import re
from importlib.resources import files

from devise_lib.spark.platform.literal_paths import text_in_sql

SCRIPT = "analyst_functions.sql"
CURRENT_EMBEDDINGS = "embeddings_current"  # the view of the script, and of a catalog
CREATED = re.compile(r"CREATE OR REPLACE TEMPORARY (FUNCTION|VIEW) (\w+)")
READ = re.compile(r"\b(?:FROM|JOIN) (\w+)")
PART_OF_NAME = re.compile(r"`(?:[^`]|``)*`|[^.`]+")


def statements() -> dict[str, str]:
    """Return the statements of SCRIPT by the name that each creates.

    They come in an order in which each finds what it needs.
    """
    text = files("devise_lib.spark.tables").joinpath(SCRIPT).read_text(encoding="utf-8")
    plain = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    each = (statement.strip().removesuffix(";") for statement in plain.split(";\n"))
    return {match[2]: statement for statement in each if (match := CREATED.match(statement))}


def tables_in(statement: str) -> set[str]:
    """Return the tables and views that a statement of SCRIPT reads."""
    return set(READ.findall(statement))


def is_function(statement: str) -> bool:
    """Return whether a statement of SCRIPT creates a function; the others create views."""
    found = CREATED.match(statement)
    return found is not None and found[1] == "FUNCTION"


def view_text(name: str) -> str:
    """Return the query of a view of SCRIPT. KeyError: there is no such view."""
    return statements()[name].partition(" AS\n")[2]


def quote_name(name: str) -> str:
    """Return a name of the catalog with each part in backticks: `my-cat.devise` has two parts."""
    parts = (part.strip("`").replace("``", "`") for part in PART_OF_NAME.findall(name))
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def current_embeddings_view(catalog: str, model_id: str) -> str:
    """Return the statement that creates the view CURRENT_EMBEDDINGS of a catalog.

    The view has the query of the view in SCRIPT. Its model is a literal, so that a query opens no
    file of other models.

    Args:
        catalog: prefix of the tables' names, such as `main.devise`.
        model_id: the current model.
    """
    prefix = quote_name(catalog)
    parts = {
        **{name: f"SELECT * FROM {prefix}.{name}" for name in ("photos", "embeddings")},
        "current_model": f"SELECT {text_in_sql(model_id)} AS model_id",
        "photos_current": view_text("photos_current"),
    }
    named = ",\n".join(f"{name} AS ({query})" for name, query in parts.items())
    return (
        f"CREATE OR REPLACE VIEW {prefix}.{CURRENT_EMBEDDINGS} AS\n"
        f"WITH {named}\n{view_text(CURRENT_EMBEDDINGS)}"
    )
