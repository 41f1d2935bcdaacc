"""Chat templates of our own, in the ways that published ones are written."""

# Turns within markers, tools as JSON lines, calls as JSON: the way of Qwen2.5 and Hermes.
MARKED_TURNS = """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'Be of help.' }}
    {%- endif %}
    {{- "\\n\\nTools:\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" or (message.role == "system" and not loop.first) or
           (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' ~ tool_call.name ~ '", "arguments": ' }}
            {{- tool_call.arguments if tool_call.arguments is string else tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.index0 == 0 or messages[loop.index0 - 1].role != "tool" %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

# Roles that must alternate, an exception otherwise; the system's words go with the last user's.
ALTERNATING = """\
{%- if messages and messages[0]["role"] == "system" -%}
    {%- set system_message = messages[0]["content"] -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list -%}
{%- set ns = namespace(index=0) -%}
{%- for message in loop_messages -%}
    {%- if not (message.role == "tool" or message.tool_calls is defined) -%}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) -%}
            {{ raise_exception("roles must alternate, but number " ~ ns.index ~ " is " ~ message.role) }}
        {%- endif -%}
        {%- set ns.index = ns.index + 1 -%}
    {%- endif -%}
{%- endfor -%}
{{ bos_token }}
{%- for message in loop_messages -%}
    {%- if message["role"] == "user" -%}
        {%- if tools is not none and message == user_messages[-1] -%}
            {{ "[TOOLS][" }}
            {%- for tool in tools -%}
                {%- set tool = tool.function -%}
                {{ '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" -%}
                    {%- if val is string -%}
                        {{ '"' + key + '": "' + val + '"' }}
                    {%- else -%}
                        {{ '"' + key + '": ' + val | tojson }}
                    {%- endif -%}
                    {%- if not loop.last -%}{{ ", " }}{%- endif -%}
                {%- endfor -%}
                {{ "}}" if loop.last else "}}, " }}
            {%- endfor -%}
            {{ "][/TOOLS]" }}
        {%- endif -%}
        {%- if loop.last and system_message is defined -%}
            {{ "[INST]" + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else -%}
            {{ "[INST]" + message["content"] + "[/INST]" }}
        {%- endif -%}
    {%- elif message.tool_calls is defined and message.tool_calls is not none -%}
        {{ "[CALLS][" }}
        {%- for tool_call in message.tool_calls -%}
            {%- set out = tool_call.function | tojson -%}
            {{ out[:-1] }}
            {%- if tool_call.id is not defined or tool_call.id | length != 14 -%}
                {{ raise_exception("an id has 14 characters") }}
            {%- endif -%}
            {{ ', "id": "' + tool_call.id + '"}' }}
            {{- "]" + eos_token if loop.last else ", " }}
        {%- endfor -%}
    {%- elif message["role"] == "assistant" -%}
        {{ " " + message["content"] | trim + eos_token }}
    {%- elif message["role"] == "tool" -%}
        {%- set content = message.content.content if message.content.content is defined else message.content -%}
        {{ '[RESULT]{"content": ' ~ content ~ ', "id": "' + message.tool_call_id + '"}[/RESULT]' }}
    {%- else -%}
        {{ raise_exception("Only user and assistant roles are supported!") }}
    {%- endif -%}
{%- endfor -%}
"""

# Reasoning that is taken out of earlier turns, found from the end.
REASONING = """\
{%- set ns = namespace(multi_step=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step and message.role == "user" and message.content is string and
           not (message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or reasoning) %}
            {{- '<|' ~ message.role ~ '|>\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|' ~ message.role ~ '|>\\n' + content }}
        {%- endif %}
        {%- for call in message.tool_calls or [] %}
            {{- '<function=' ~ call.function.name ~ '>' }}
            {%- for name, value in call.function.arguments | items %}
                {{- '\\n<parameter=' ~ name ~ '>\\n' }}
                {{- value | tojson | safe if value is mapping or (value is sequence and value is not string) else value | string }}
                {{- '\\n</parameter>' }}
            {%- endfor %}
        {%- endfor %}
    {%- else %}
        {{- '<|' + message.role + '|>\\n' ~ content | trim ~ '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}
"""

# Tools as the source text of functions, by macros that call each other, and parts of messages.
MACROS = """\
{%- macro type_of(schema) -%}
    {%- if schema.type is string -%}
        {{ {"string": "str", "integer": "int", "array": "list"}[schema.type] or "any" }}
    {%- elif schema.type is iterable -%}
        {%- for one in schema.type -%}
            {{ type_of({"type": one}) }}{{ " | " if not loop.last }}
        {%- endfor -%}
    {%- else -%}
        Any
    {%- endif -%}
{%- endmacro -%}
{%- macro signature(function, indent=4) -%}
def {{ function.name }}({% for name, schema in (function.parameters.properties or {}) | dictsort %}
{{ name }}: {{ type_of(schema) }}
{%- if "default" in schema %} = {{ schema.default }}{% endif %}{{ ", " if not loop.last }}
{%- endfor %}):
{{ (function.description | default("no words", true)) | indent(indent, first=true) }}
{% endmacro -%}
{%- macro words(content) -%}
    {%- if content is string -%}
        {{ content }}
    {%- elif content is iterable and content is not mapping -%}
        {%- for part in content if part.type == "text" -%}
            {{ part.text }}{% if not loop.last %}
{% endif %}
        {%- endfor -%}
    {%- elif content is not none -%}
        {{ content | tojson(indent=2) }}
    {%- endif -%}
{%- endmacro -%}
{{ bos_token | default("") }}
{% for tool in tools or [] %}
{{ signature(tool.function) }}
{% endfor %}
{%- for message in messages %}
{% generation %}## {{ message.role | title }}{% endgeneration %}

{{ words(message.content) }}
{% for call in message.tool_calls or [] %}
{{ loop.index }}/{{ loop.length }}: {{ call.function.name }}({{ call.function.arguments }})
{% endfor %}
{%- endfor %}
"""

CHATS = {"marked turns": MARKED_TURNS, "alternating": ALTERNATING, "reasoning": REASONING,
         "macros": MACROS}
