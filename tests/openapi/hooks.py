"""What Schemathesis has to be told of the description before it makes up requests and checks answers."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    adapt(raw_schema)


def adapt(node):
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        adapt(inner)
    if isinstance(node, dict):
        leave_out_entries(node)
        unite_forms(node)
        list_examples(node)


def leave_out_entries(operation):
    """JSON Schema cannot say what an Atom entry is: Schemathesis would make up XML with other elements."""
    operation.get("requestBody", {}).get("content", {}).pop("application/atom+xml", None)


def unite_forms(content):
    """It does not look at the parameters of a media type: the two forms of JSON are one to it, which is either."""
    verbose = content.pop("application/json;odata=verbose", None)
    if verbose:
        light = content["application/json"]
        light["schema"] = {"anyOf": [light["schema"], verbose["schema"]]}


def list_examples(schema):
    """JSON Schema cannot say what a filter or a time is, so that the valid ones are the examples here. The constants
    are filters too, and what a boolean in the place of a filter looks like."""
    kind = schema.get("format")
    if kind in ("odata-filter", "odata-time"):
        del schema["format"]
        schema["enum"] = schema.pop("examples") + (["true", "false"] if kind == "odata-filter" else [])
