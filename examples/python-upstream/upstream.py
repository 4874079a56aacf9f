"""Asks a member to prove who they are, and tells the outcome: an upstream made of docs/temporal-messages.md alone.

    python upstream.py <memberId> <purpose>

Writes a line of JSON for each thing that happens, and reads the codes that the member types, a line each, from its
input. Where Temporal is, it reads as its SDK does (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, ...); the codec's keys are
those of OTP_CODEC_KEYS.
"""

import asyncio
import base64
import dataclasses
import json
import os
import sys
import uuid
from typing import AsyncIterator, Iterable, List

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.envconfig import ClientConfig

IV_BYTES = 12


class OtpCodec(PayloadCodec):
    def __init__(self, keys: str) -> None:
        entries = [entry.strip().split(":", 1) for entry in keys.split(",")]
        self.keys = {key_id: AESGCM(base64.b64decode(key)) for key_id, key in entries}
        self.current = entries[0][0]

    async def encode(self, payloads: Iterable[Payload]) -> List[Payload]:
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Iterable[Payload]) -> List[Payload]:
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        iv = os.urandom(IV_BYTES)
        # AESGCM appends the tag, which is where the format has it.
        data = iv + self.keys[self.current].encrypt(iv, payload.SerializeToString(), None)
        metadata = {"encoding": "binary/encrypted", "encryption-cipher": "AES-256-GCM", "encryption-key-id": self.current}
        return Payload(metadata={name: text.encode() for name, text in metadata.items()}, data=data)

    def _decrypt(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != b"binary/encrypted":
            return payload
        key = self.keys[payload.metadata["encryption-key-id"].decode()]
        return Payload.FromString(key.decrypt(payload.data[:IV_BYTES], payload.data[IV_BYTES:], None))


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def typed_lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().strip()


async def main(member_id: str, purpose: str) -> None:
    converter = dataclasses.replace(DataConverter.default, payload_codec=OtpCodec(os.environ["OTP_CODEC_KEYS"]))
    client = await Client.connect(**ClientConfig.load_client_connect_config(), data_converter=converter)

    challenge_id = str(uuid.uuid4())
    handle = await client.start_workflow(
        "otpChallenge",
        {"challengeId": challenge_id, "memberId": member_id, "purpose": purpose},
        id=f"otp-challenge/{member_id}",
        task_queue="otp-challenge",
    )
    tell(asked=challenge_id)

    judging = asyncio.Lock()

    async def judge_what_is_typed() -> None:
        async for typed in typed_lines():
            async with judging:
                if typed == "status":
                    tell(status=await handle.query("challengeStatus"))
                else:
                    await judge(typed)

    async def judge(code: str) -> None:
        try:
            tell(verdict=await handle.execute_update("verifyCode", {"challengeId": challenge_id, "code": code}))
        except WorkflowUpdateFailedError as error:
            tell(refused=getattr(error.cause, "type", None))

    typing = asyncio.create_task(judge_what_is_typed())
    try:
        result = {"result": await handle.result()}
    except WorkflowFailureError as error:
        cause = error.cause
        details = list(getattr(cause, "details", ()))
        result = {"failed": getattr(cause, "type", type(cause).__name__), "details": details}
    # The verdict may come after the result that it led to.
    async with judging:
        typing.cancel()
    tell(**result)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
