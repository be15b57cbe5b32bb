"""The JSON Schemas of docs/reference/schemas: what a result must be, and which fields are described."""

import json
import os

import jsonschema

from program import SOURCE

FOLDER = os.path.join(SOURCE, "docs", "reference", "schemas")
SUFFIX = ".schema.json"
SHARED = "shared" + SUFFIX


def read_schemas():
    """Each schema by its $id, which is the name of its file."""
    schemas = {}
    for name in sorted(os.listdir(FOLDER)):
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            schemas[name] = json.load(file)
    return schemas


class Schemas:
    def __init__(self):
        self.by_id = read_schemas()

    def of(self, result):
        """The schema of a command's result, by the result's own field: "fakequant.eval/1" is in eval.schema.json."""
        return self.by_id[result["schema"].removeprefix("fakequant.").split("/")[0] + SUFFIX]

    def faults(self, result):
        """What a result has that its schema does not allow, and the other way around: a line for each."""
        schema = self.of(result)
        resolver = jsonschema.RefResolver(base_uri=schema["$id"], referrer=schema, store=self.by_id)
        validator = jsonschema.Draft202012Validator(schema, resolver=resolver)
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(result)]

    def described(self, schema):
        """The names of all fields that a schema describes, also by the shared parts; not those of other results within it."""
        names, seen = set(), set()

        def walk(part, document):
            if isinstance(part, list):
                for element in part:
                    walk(element, document)
                return
            if not isinstance(part, dict):
                return
            if "$ref" in part and (document["$id"], part["$ref"]) not in seen:
                seen.add((document["$id"], part["$ref"]))
                file, _, path = part["$ref"].partition("#")
                if file not in ("", SHARED):
                    return
                target = document = self.by_id[file] if file else document
                for step in filter(None, path.split("/")):
                    target = target[step]
                walk(target, document)
            names.update(part.get("properties", {}))
            for key, element in part.items():
                if key == "properties":
                    walk(list(element.values()), document)
                elif key != "$defs":
                    walk(element, document)

        walk(schema, schema)
        return names


def names_in(value):
    """The names of all fields of a JSON value."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if isinstance(value, dict):
        return set(value).union(*map(names_in, value.values()))
    return set()
