"""Heads of the messages of an Arrow stream, which tell if its tables are compressed.

The format is that of "Encapsulated message format" in
https://arrow.apache.org/docs/format/Columnar.html, and the heads are FlatBuffers tables.
"""

import struct

import pyarrow as pa

HEADER, RECORD_BATCH, COMPRESSION = 2, "record batch", 3  # places of fields in their tables
DICTIONARY, DATA = "dictionary", 1


def is_compressed(body: bytes) -> bool:
    """Return True if a message of a stream is compressed.

    Args:
        body: a stream of Arrow record batches, from anybody.
    """
    try:
        reader = pa.ipc.MessageReader.open_stream(body)
        while True:
            message = reader.read_next_message()
            if message.type not in (RECORD_BATCH, DICTIONARY):
                continue
            head = memoryview(message.metadata)
            batch = _table(head, _field(head, _table(head, 0), HEADER))
            if message.type == DICTIONARY:
                batch = _table(head, _field(head, batch, DATA))
            if _field(head, batch, COMPRESSION):
                return True
    except StopIteration:
        return False
    except (pa.ArrowInvalid, OSError, struct.error, ValueError):
        return False  # the reader of tables says what is wrong


def _table(head: memoryview, place: int) -> int:
    """Return the place of the table that the offset at ``place`` leads to."""
    (offset,) = struct.unpack_from("<I", head, place)
    return int(place + offset)


def _field(head: memoryview, table: int, number: int) -> int:
    """Return the place of a field of a table; 0 if the table lacks it."""
    (back,) = struct.unpack_from("<i", head, table)
    (size,) = struct.unpack_from("<H", head, table - back)
    entry = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", head, table - back + entry) if entry < size else (0,)
    return table + offset if offset else 0
