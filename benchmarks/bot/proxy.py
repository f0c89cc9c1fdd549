"""A network between a bot and the sandbox: `proxy.py PORT SECONDS` passes bytes on, each direction so late.

Prints the port that it listens on.
"""

from __future__ import annotations

import asyncio
import sys


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """What arrives at `reader` leaves at `writer` in order, `seconds` later, the end as well."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)

    delivering = asyncio.ensure_future(deliver())
    while True:
        try:
            data = await reader.read(65_536)
        except ConnectionError:
            data = b""
        under_way.put_nowait((loop.time() + seconds, data))
        if not data:
            break
    await delivering


async def main(port: int, seconds: float) -> None:
    """Serves until it is killed."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            pass_on(reader, far_writer, seconds),
            pass_on(far_reader, writer, seconds),
            return_exceptions=True,
        )

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
