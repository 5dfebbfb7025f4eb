"""Validates values against the keywords of JSON Schema that schema.json uses."""

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}


def violations(schema, value, root=None, path="$"):
    """What in a value breaks the schema, one line each."""
    root = root or schema
    if "$ref" in schema:
        return violations(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root, path)
    if "anyOf" in schema:
        tried = [violations(option, value, root, path) for option in schema["anyOf"]]
        return min(tried, key=len)
    types = schema.get("type", list(TYPES))
    if not any(isinstance(value, TYPES[name]) for name in ([types] if isinstance(types, str) else types)):
        return [f"{path}: must be {types}"]
    found = []
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{path}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{path}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            other = schema.get("additionalProperties", {})
            if name not in known and other is False:
                found.append(f"{path}: {name} is unknown")
            else:
                found += violations(known.get(name, other), item, root, f"{path}.{name}")
    if isinstance(value, list):
        for index, item in enumerate(value):
            found += violations(schema.get("items", {}), item, root, f"{path}[{index}]")
    return found
