"""Schemas at random, over all keywords that are served. Each has a valid value: what contradicts is not put together."""

import json

WORDS = ["name", "age", "kind", "ü", "a b", "tags", "x", "größe", "quote\"d"]
FORMATS = ["date", "time", "date-time", "ipv4", "ipv6", "uuid", "email", "uri", "duration", "hostname"]
PATTERNS = ["^[A-Z]{2}-\\d{1,3}$", "^(ab|cd)+$", "^\\w*$", "[0-9]", "^(?!no)[a-z]{2,6}$", "^.{0,5}$", "é+$"]


class SchemaMaker:
    def __init__(self, rng):
        self.rng = rng

    def schema(self, depth=3):
        rng = self.rng
        kinds = [self.string, self.number, self.integer, self.enumeration, self.word]
        if depth > 0:
            kinds += 2 * [self.object, self.array, self.choice, self.conjunction, self.condition]
        return rng.choice(kinds)(depth - 1)

    def root(self):
        """Mostly an object, and sometimes one that refers to itself."""
        schema = self.object(2)
        if self.rng.random() < 0.3:
            schema["$defs"] = {"tree": {"type": "object", "properties": {"v": self.schema(0), "l": {"$ref": "#/$defs/tree"}}}}
            schema["properties"]["tree"] = {"$ref": "#/$defs/tree"}
            schema["required"] = sorted({*schema.get("required", []), "tree"})
        return schema

    def string(self, _):
        rng, schema = self.rng, {"type": "string"}
        how = rng.random()
        if how < 0.2:
            schema["format"] = rng.choice(FORMATS)
        elif how < 0.4:
            schema["pattern"] = rng.choice(PATTERNS)
        elif how < 0.7:
            schema["minLength"] = rng.randrange(4)
            schema["maxLength"] = schema["minLength"] + rng.randrange(8)
        elif how < 0.8:
            schema["not"] = {"enum": ["a", "b", ""]}
        return schema

    def integer(self, _):
        rng, schema = self.rng, {"type": "integer"}
        low = rng.choice([0, 1, -5, 10 ** 12, -10 ** 25, 17])
        if rng.random() < 0.6:
            schema[rng.choice(["minimum", "exclusiveMinimum"])] = low
            schema[rng.choice(["maximum", "exclusiveMaximum"])] = low + rng.choice([50, 1000, 10 ** 14])
        if rng.random() < 0.3:
            schema["multipleOf"] = rng.choice([2, 7, 12])
        return schema

    def number(self, _):
        rng, schema = self.rng, {"type": self.rng.choice(["number", ["number", "null"]])}
        low = rng.choice([0, -1.5, 0.001, 1000])
        if rng.random() < 0.5:
            schema["minimum"] = low
        if rng.random() < 0.5:
            schema[rng.choice(["maximum", "exclusiveMaximum"])] = low + rng.choice([0.5, 2, 1e6])
        return schema

    def enumeration(self, _):
        values = [1, -2.5, "a", "é\"\n", None, True, False, [1, 2], {"k": []}, "long " * 5]
        return {"enum": self.rng.sample(values, self.rng.randrange(1, 6))}

    def word(self, _):
        return self.rng.choice([{"type": "boolean"}, {"type": "null"}, {"const": self.rng.choice(WORDS)},
                                {"type": ["boolean", "string"], "maxLength": 3}])

    def object(self, depth, may_be_closed=True):
        rng, schema = self.rng, {"type": "object"}
        names = rng.sample(WORDS, rng.randrange(1, 5))
        schema["properties"] = {name: self.schema(depth) for name in names}
        schema["required"] = [name for name in names if rng.random() < 0.6]
        how = rng.random()
        if how < 0.3 and may_be_closed:
            schema["additionalProperties"] = rng.choice([False, {"type": "integer"}])
        elif how < 0.4:
            schema["patternProperties"] = {"^z": {"type": "null"}}
        elif how < 0.5:
            schema["maxProperties"] = len(names) + 2
        elif how < 0.6:
            schema["minProperties"] = 1
        elif how < 0.7 and len(names) > 1:
            schema["dependentRequired"] = {names[0]: [names[1]]}
        elif how < 0.8 and may_be_closed:
            schema.update(additionalProperties={"type": "null"}, propertyNames={"maxLength": 9})
        return schema

    def array(self, depth):
        rng, schema = self.rng, {"type": "array", "items": self.schema(depth)}
        schema["minItems"] = rng.randrange(3)
        schema["maxItems"] = schema["minItems"] + rng.randrange(4)
        if rng.random() < 0.3:
            schema["prefixItems"] = [self.schema(depth) for _ in range(rng.randrange(1, 3))]
        return schema

    def choice(self, depth):
        rng = self.rng
        if rng.random() < 0.5:
            return {"anyOf": [self.schema(depth) for _ in range(rng.randrange(1, 4))]}
        return {"oneOf": [{"type": "object", "properties": {"type": {"const": name}, "value": self.schema(depth)},
                           "required": ["type"]} for name in rng.sample(WORDS, 2)]}

    def conjunction(self, depth):
        return {"allOf": [self.object(depth, False), {"properties": {"more": self.schema(0)}, "required": ["more"]}]}

    def condition(self, depth):
        return {"type": "object", "properties": {"on": {"type": "boolean"}, "x": self.schema(0), "y": self.schema(0)},
                "required": ["on"], "if": {"properties": {"on": {"const": True}}}, "then": {"required": ["x"]},
                "else": {"required": ["y"]}}


def loads(text):
    """As json.loads, but that what is no JSON in Python alone is none here either."""
    def no(word):
        raise ValueError(word)
    return json.loads(text, parse_constant=no)
