/**
 * Reading compressed batches (M2): gzip, snappy, lz4 and zstd. kafkajs itself reads gzip only.
 *
 * What comes out is bounded, since a few kilobytes can say gigabytes of zeros. A batch over a bound, or one that is broken,
 * arrives as one record that says so ({@link undecodableBatch}; docs/decisions/0013-compressed-batches.md).
 */
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import type * as Kafkajs from 'kafkajs'
import type { KafkaMessage } from 'kafkajs'
import { decompressFrame } from 'lz4-napi'
import { uncompress } from 'snappy'

// Node cannot tell these exports of a CommonJS module without running it.
const { CompressionCodecs, CompressionTypes } = createRequire(import.meta.url)('kafkajs') as typeof Kafkajs

/** Some 60 times what a broker takes of compressed bytes by default, 1 MB. */
const MAX_BYTES = 64 * 1024 * 1024
/** Each becomes an object of a few hundred bytes, however small it is in the batch. */
const MAX_RECORDS = 250_000

class BatchTooLarge extends Error {
  override name = 'BatchTooLarge'
}
class BatchBroken extends Error {
  override name = 'BatchBroken'
}

type Decompress = (compressed: Buffer) => Promise<Buffer>

const gunzipped = promisify(gunzip)
const unzstd = promisify(zstdDecompress)

const readZlib =
  (decompress: (compressed: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>): Decompress =>
  async (compressed) => {
    try {
      return await decompress(compressed, { maxOutputLength: MAX_BYTES })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      throw code === 'ERR_BUFFER_TOO_LARGE' ? new BatchTooLarge(`over ${MAX_BYTES} bytes`) : error
    }
  }

/** How snappy-java begins: blocks with their length follow. Others (librdkafka) write one bare block. */
const XERIAL = Buffer.from('\x82SNAPPY\0', 'latin1')
const XERIAL_HEADER_BYTES = 16

/** @see https://github.com/xerial/snappy-java (SnappyOutputStream) */
const readSnappy: Decompress = async (compressed) => {
  const blocks = compressed.subarray(0, XERIAL.length).equals(XERIAL) ? xerialBlocks(compressed) : [compressed]
  refuseOver(blocks.reduce((total, block) => total + snappyLength(block), 0))
  return Buffer.concat(
    await Promise.all(blocks.map((block) => uncompress(block, { asBuffer: true }) as Promise<Buffer>)),
  )
}

function xerialBlocks(stream: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  for (let at = XERIAL_HEADER_BYTES; at < stream.length;) {
    const length = stream.readUInt32BE(at)
    blocks.push(slice(stream, at + 4, length))
    at += 4 + length
  }
  return blocks
}

/** What a block says it becomes, in the variable-length integer that it begins with; `uncompress` holds it to that. */
function snappyLength(block: Buffer): number {
  let length = 0
  for (let at = 0; at < 5; at++) {
    const byte = block.readUInt8(at)
    length += (byte & 0x7f) * 2 ** (7 * at)
    if (byte < 0x80) return length
  }
  throw new BatchBroken('a snappy block without its length')
}

/** The most that a compressed byte of LZ4 can become. */
const LZ4_RATIO = 255
const LZ4_MAGIC = 0x184d2204

/** @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md */
const readLz4: Decompress = async (compressed) => {
  refuseOver(mostOfLz4Frame(compressed))
  return decompressFrame(compressed)
}

/** The most that a frame can become, told from the sizes of its blocks. */
function mostOfLz4Frame(frame: Buffer): number {
  if (frame.readUInt32LE(0) !== LZ4_MAGIC) throw new BatchBroken('no LZ4 frame')
  const [flags, sizes] = [frame.readUInt8(4), frame.readUInt8(5)]
  const blockBytes = 2 ** (8 + 2 * ((sizes >> 4) & 7))
  const blockChecksumBytes = flags & 0x10 ? 4 : 0
  // After the magic number, flags and sizes: the content's size and a dictionary's id, where the flags say so; a checksum.
  let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0)
  let most = 0
  for (;;) {
    const size = frame.readUInt32LE(at)
    if (size === 0) return most
    const stored = size & 0x7fff_ffff
    most += size > 0x7fff_ffff ? stored : Math.min(blockBytes, stored * LZ4_RATIO)
    at += 4 + stored + blockChecksumBytes
  }
}

function slice(buffer: Buffer, start: number, length: number): Buffer {
  if (start + length > buffer.length) throw new BatchBroken('a block that ends after its batch')
  return buffer.subarray(start, start + length)
}

function refuseOver(bytes: number): void {
  if (bytes > MAX_BYTES) throw new BatchTooLarge(`over ${MAX_BYTES} bytes`)
}

/** As our patch of kafkajs calls it: with the number of records that the batch says it holds. */
const codecOf = (decompress: Decompress) => () => ({
  decompress: async (compressed: Buffer, records: number): Promise<Buffer> => {
    if (records > MAX_RECORDS) throw new BatchTooLarge(`over ${MAX_RECORDS} records`)
    return decompress(compressed)
  },
})

/** Makes kafkajs read every codec of Kafka, for the whole process. */
export function readCompressedBatches(): void {
  CompressionCodecs[CompressionTypes.GZIP] = codecOf(readZlib(gunzipped))
  CompressionCodecs[CompressionTypes.Snappy] = codecOf(readSnappy)
  CompressionCodecs[CompressionTypes.LZ4] = codecOf(readLz4)
  CompressionCodecs[CompressionTypes.ZSTD] = codecOf(readZlib(unzstd))
}

/** A batch that could not be read, and where it stands in its partition. */
export interface UndecodableBatch {
  readonly firstOffset: string
  readonly records: number
  /** Nothing of what the batch holds. */
  readonly why: string
}

/** @returns the batch that `message` stands for where none of its records could be read, else nothing */
export function undecodableBatch(message: KafkaMessage): UndecodableBatch | undefined {
  const { undecodable } = message as KafkaMessage & {
    undecodable?: { firstOffset: string; records: number; error: Error }
  }
  if (!undecodable) return undefined
  const { firstOffset, records, error } = undecodable
  return { firstOffset, records, why: error instanceof BatchTooLarge ? error.message : 'broken' }
}
