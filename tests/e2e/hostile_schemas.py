"""Schemas that are made to be expensive, by name: {name: (schema, texts that it accepts or None if it may be refused)}."""

from schema_oracle import dumps


def nested_one_of(depth, width=2):
    schema = {"type": "integer"}
    for i in range(depth):
        schema = {"oneOf": [{"type": "object", "properties": {f"k{i}_{j}": schema}, "required": [f"k{i}_{j}"]}
                            for j in range(width)]}
    return schema


def bare_one_of(depth):
    schema = {"type": "integer"}
    for i in range(depth):
        schema = {"oneOf": [schema, {"type": "object", "properties": {"a": schema}}]}
    return schema


def wide_objects(n, n_properties, keyword="anyOf"):
    return {keyword: [{"type": "object", "properties": {f"p{i}_{j}" if j else "kind": {"const": i} if not j else {
        "type": "string", "maxLength": 10 + j} for j in range(n_properties)}, "required": ["kind"]} for i in range(n)]}


def deep(depth, wrap):
    """The text of it: Python's own writer does not go so deep."""
    before, after = dumps(wrap("HERE")).split('"HERE"')
    return before * depth + '{"type":"null"}' + after * depth


def doubled(depth, wrap):
    schema = {"type": "null"}
    for _ in range(depth):
        schema = wrap(schema)
    return schema


def chain(n, last):
    """$ref to $ref to $ref…"""
    return {"$ref": "#/$defs/d0", "$defs": {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(n)} | {f"d{n}": last}}


def doubling(n):
    """Each definition has the next one twice: 2^n texts of one kind."""
    return {"$ref": "#/$defs/d0", "$defs": {f"d{i}": {"type": "object", "properties": {
        "l": {"$ref": f"#/$defs/d{i + 1}"}, "r": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(n)} | {
            f"d{n}": {"type": "null"}}}


def mutual(n):
    """Every definition may be any other."""
    return {"$ref": "#/$defs/d0", "$defs": {f"d{i}": {"type": "object", "properties": {
        f"p{j}": {"$ref": f"#/$defs/d{j}"} for j in range(n)}} for i in range(n)}}


HOSTILE = {
    "oneOf, nested 12 deep": nested_one_of(12),
    "oneOf, nested 12 deep and 4 wide": nested_one_of(5, 4),
    "oneOf of itself": bare_one_of(12),
    "oneOf of patterns": {"type": "string", "oneOf": [{"pattern": f"a.{{{i}}}b"} for i in range(12)]},
    "anyOf of 64 objects": wide_objects(64, 64),
    "oneOf of 64 objects": wide_objects(64, 64, "oneOf"),
    "anyOf of 1,000 objects": wide_objects(1000, 10),
    "anyOf of 5,000 types": {"anyOf": [{"type": "string", "maxLength": i} for i in range(5000)]},
    "allOf of 200 anyOf": {"allOf": [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]} for i in range(200)]},
    "allOf of 10 anyOf": {"type": "object", "allOf": [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]}
                                                    for i in range(10)]},
    "allOf of 30 if": {"type": "object", "allOf": [{"if": {"required": [f"a{i}"]}, "then": {"required": [f"b{i}"]}}
                                                 for i in range(30)]},
    "dependencies of 40": {"type": "object", "dependentRequired": {f"a{i}": [f"b{i}"] for i in range(40)}},
    "not of not of…": deep(60, lambda schema: {"not": schema}),
    "not of many": {"not": {"anyOf": [{"properties": {f"a{i}": {"enum": [i, "x"]}}} for i in range(100)]}},
    "pattern (a|aa)+$": {"type": "string", "pattern": "(a|aa)+$"},
    "pattern [ab]*a[ab]{20}": {"type": "string", "pattern": "^[ab]*a[ab]{20}$"},
    "pattern (.*a){20}": {"type": "string", "pattern": "(.*a){20}"},
    "pattern {0,100000}": {"type": "string", "pattern": "^[a-z]{0,100000}$"},
    "pattern of nested counts": {"type": "string", "pattern": "^((((a{1,9}){1,9}){1,9}){1,9}){1,9}$"},
    "pattern of nested counts, any": {"type": "string", "pattern": "((((.{9}x){9}){9}){9}){9}"},
    "patterns, all": {"type": "string", "allOf": [{"pattern": f"[ab]{{{i}}}c.*d"} for i in range(1, 30)]},
    "patterns and none": {"type": "string", "not": {"anyOf": [{"pattern": f"[ab]{{{i}}}c"} for i in range(1, 30)]}},
    "pattern and length": {"type": "string", "pattern": "^(ab|cde)*f", "minLength": 1500, "maxLength": 2000},
    "pattern and maxLength 1e6": {"type": "string", "pattern": "^\\w+( \\w+)*$", "maxLength": 1000000},
    "pattern of classes": {"type": "string", "pattern": "[\\s\\S]".join("[a-z]" for _ in range(300))},
    "pattern of unions": {"type": "string", "pattern": "|".join(f"w{i}.*x{i}" for i in range(500))},
    "patternProperties of 100": {"type": "object", "patternProperties": {f"a.*{i}": {"type": "null"} for i in range(100)}},
    "patternProperties of 6": {"type": "object", "patternProperties": {f"a.*b{i}.*c": {"maxLength": i} for i in range(6)}},
    "format uri and length": {"type": "string", "format": "uri", "maxLength": 2083},
    "every format": {"type": "object", "properties": {name: {"type": "string", "format": name, "maxLength": 500} for name in (
        "date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "iri", "uuid")}},
    "formats, all": {"type": "string", "allOf": [{"format": name} for name in ("uri", "iri", "uri-reference", "ipv6")]},
    "maxLength 1e6": {"type": "string", "minLength": 999999, "maxLength": 1000000},
    "maxLength 1e18": {"type": "string", "maxLength": 10 ** 18},
    "maxItems 1e9": {"type": "array", "items": {"type": "null"}, "minItems": 10 ** 6, "maxItems": 10 ** 9},
    "maxItems, nested": deep(20, lambda schema: {"type": "array", "items": schema, "minItems": 1000, "maxItems": 2000}),
    "enum of 100,000": {"enum": [f"value number {i * 7919 % 100003}" for i in range(100000)]},
    "enum of 20,000 numbers": {"enum": list(range(20000))},
    "enum of objects": {"enum": [{"a": i, "b": [i] * 20} for i in range(5000)]},
    "enum and pattern": {"enum": [f"v{i}" for i in range(20000)], "pattern": "[13579]$", "not": {"enum": ["v1"]}},
    "enum beside enum": {"allOf": [{"enum": list(range(0, 30000, i))} for i in (1, 2, 3, 5)]},
    "recursion without a base": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    "recursion of $ref": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    "recursion of allOf": {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]}}, "$ref": "#/$defs/a"},
    "recursion of not": {"$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
    "recursion of anyOf": {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "array", "items": {
        "$ref": "#/$defs/a"}}]}}, "$ref": "#/$defs/a"},
    "references, 10,000": chain(10000, {"type": "null"}),
    "references, 2,000": chain(2000, {"type": "null"}),
    "references, doubled 60 times": doubling(60),
    "references, 150 to each other": mutual(150),
    "references that add up": {"$defs": {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]}
                                         for i in range(40)} | {"d40": {"type": "null"}}, "$ref": "#/$defs/d0"},
    "references that are alternatives": {"$defs": {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {
        "$ref": f"#/$defs/d{i + 1}"}]} for i in range(40)} | {"d40": {"type": "null"}}, "$ref": "#/$defs/d0"},
    "depth 500 of items": deep(500, lambda schema: {"type": "array", "items": schema}),
    "depth 500 of properties": deep(500, lambda schema: {"type": "object", "properties": {"a": schema}, "required": ["a"]}),
    "depth 500 of anyOf": deep(500, lambda schema: {"anyOf": [schema, {"type": "string"}]}),
    "depth 14 of anyOf": doubled(14, lambda schema: {"anyOf": [schema, {"type": "array", "items": schema}]}),
    "30,000 properties": {"type": "object", "properties": {f"property_{i}": {"type": "integer"} for i in range(30000)}},
    "30,000 properties, all required": {"type": "object", "properties": {f"p{i}": {"type": "null"} for i in range(30000)},
                                        "required": [f"p{i}" for i in range(30000)]},
    "5,000 properties of their own": {"type": "object", "properties": {f"p{i}": {
        "type": "string", "pattern": f"^a{{{i % 50}}}[b-z]*{i}$", "maxLength": i + 100} for i in range(5000)}},
    "1 MB of descriptions": {"type": "object", "properties": {f"p{i}": {"type": "null", "description": "x" * 1000}
                                                              for i in range(900)}},
    "1 MB of objects": {"type": "object", "properties": {f"a{i}": {"type": "object", "properties": {
        f"b{j}": {"type": ["string", "null"], "maxLength": j} for j in range(25)}} for i in range(800)}},
    "1 MB of $id": {"$defs": {f"d{i}": {"$id": f"http://a.example/{i}", "type": "null"} for i in range(8000)}, "items": {
        "anyOf": [{"$ref": f"http://a.example/{i}"} for i in range(0, 8000, 10)]}},
    "multipleOf of everything": {"type": "integer", "multipleOf": 99999989, "minimum": -10 ** 30, "maximum": 10 ** 30},
    "multipleOf, several": {"type": "integer", "allOf": [{"multipleOf": m} for m in (97, 89, 83, 79, 73)]},
    "numbers of 1,000 digits": {"type": "number", "minimum": int("9" * 1000)},
    "bounds with many digits": {"type": "number", "minimum": 0.1234567890123456, "maximum": 0.1234567890123457},
    "prefixItems of 1,000": {"type": "array", "prefixItems": [{"enum": [i, "x"]} for i in range(1000)]},
    "unevaluated with 12 anyOf": {"type": "object", "allOf": [{"anyOf": [{"properties": {f"a{i}": {}}, "required": [f"a{i}"]}, {}]}
                                                            for i in range(12)], "unevaluatedProperties": False},
    "propertyNames": {"type": "object", "propertyNames": {"pattern": "^(a|b)*a(a|b){12}$"}, "minProperties": 1},
}
