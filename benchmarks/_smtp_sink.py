"""An SMTP server that accepts everything at once and keeps nothing, in a process of its own.

python -m benchmarks._smtp_sink        prints its port
"""

import asyncio


async def serve(reader, writer):
    """One connection: every command is fine, every mail is taken."""
    writer.write(b"220 sink\r\n")
    while line := await reader.readline():
        command = line[:4].upper()
        if command == b"DATA":
            writer.write(b"354 go on\r\n")
            await writer.drain()
            while (line := await reader.readline()) and line != b".\r\n":
                pass
        writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
        await writer.drain()
        if command == b"QUIT":
            break
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
