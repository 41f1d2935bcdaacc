"""OpenAI's Agents SDK over /v1/responses, and over chats. Skipped where it is not installed (pip install openai-agents)."""

import asyncio

import pytest

agents = pytest.importorskip("agents", reason="the package openai-agents is not installed")
from openai import AsyncOpenAI  # noqa: E402

QUESTION = "What is the weather in Berlin?"


class Desk:
    """An agent with one tool, and what the tool was called with."""

    def __init__(self, daemon, kind="OpenAIResponsesModel"):
        agents.set_tracing_disabled(True)
        self.called = []
        client = AsyncOpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)

        def get_weather(city: str) -> str:
            """Get the current weather of a city

            Args:
                city: Name of the city
            """
            self.called.append(city)
            return '{"temperature": 12, "condition": "rain"}'

        self.agent = agents.Agent(
            name="desk", instructions="You are a helpful assistant.",
            model=getattr(agents, kind)("demo-model", client),
            tools=[agents.function_tool(get_weather)], model_settings=agents.ModelSettings(temperature=0))


KINDS = pytest.mark.parametrize("kind", ["OpenAIResponsesModel", "OpenAIChatCompletionsModel"])


@KINDS
def test_a_tool_is_run(daemon, kind):
    desk = Desk(daemon, kind)
    result = asyncio.run(agents.Runner.run(desk.agent, QUESTION))
    assert desk.called == ["Berlin"] and result.final_output


@KINDS
def test_streamed(daemon, kind):
    async def run(desk):
        result = agents.Runner.run_streamed(desk.agent, QUESTION)
        kinds = [event.type async for event in result.stream_events()]
        return kinds, result.final_output

    desk = Desk(daemon, kind)
    kinds, output = asyncio.run(run(desk))
    assert desk.called == ["Berlin"] and output
    assert kinds.count("run_item_stream_event") == 3  # a call, its output, a message


def test_what_the_server_keeps_is_gone_on_from(daemon):
    async def run(desk):
        first = await agents.Runner.run(desk.agent, "Hello")
        second = await agents.Runner.run(desk.agent, "What can you tell me?",
                                         previous_response_id=first.last_response_id)
        kept = await agents.Runner.run(desk.agent, QUESTION, auto_previous_response_id=True)
        return first.final_output, second.final_output, kept.final_output

    desk = Desk(daemon)
    assert all(asyncio.run(run(desk))) and desk.called == ["Berlin"]
