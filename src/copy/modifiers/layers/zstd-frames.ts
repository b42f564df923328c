import { InvalidLayerError } from '../../../errors.ts'

/**
 * The same bytes, cut so that no chunk reaches beyond the end of a frame: zlib's decoder drops what follows a frame in
 * the same chunk, and zstd:chunked layers have a frame for each file.
 * https://www.rfc-editor.org/rfc/rfc8878#section-3
 * Error: INVALID_LAYER for what is no frame, and for a last frame that is cut off.
 */
export async function* splitFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frames = new FrameReader()
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const taken = frames.take(chunk.subarray(at))
      yield chunk.subarray(at, at + taken)
      at += taken
    }
  }
  if (!frames.isBetween) throw new InvalidLayerError('its last zstd frame is cut off')
}

type Part = 'magic' | 'skippable' | 'frame' | 'block'

/** How many bytes of a header must be there before more of it is known. */
const headerBytes: Readonly<Record<Part, number>> = { magic: 4, skippable: 4, frame: 1, block: 3 }

/** Knows where the frame ends that it is fed with. Holds no more than a header. */
class FrameReader {
  #part: Part = 'magic'
  #header: number[] = []
  /** What passes unread before the next header. */
  #skip = 0
  #hasChecksum = false

  /** True at the end of a frame, and at the beginning. */
  get isBetween(): boolean {
    return this.#part === 'magic' && this.#skip === 0 && this.#header.length === 0
  }

  /** Takes bytes up to the end of a frame or of the bytes, and says how many. */
  take(bytes: Uint8Array): number {
    let at = 0
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, bytes.length - at)
        this.#skip -= skipped
        at += skipped
      } else {
        this.#header.push(bytes[at] ?? 0)
        at += 1
        if (this.#header.length === headerBytes[this.#part]) this.#read()
      }
      if (this.isBetween) return at
    }
    return at
  }

  #read(): void {
    const value = this.#header.reduceRight((sum, byte) => sum * 256 + byte, 0)
    this.#header = []
    if (this.#part === 'magic') this.#readMagic(value)
    else if (this.#part === 'frame') this.#readFrame(value)
    else if (this.#part === 'block') this.#readBlock(value)
    else this.#next('magic', value)
  }

  #readMagic(value: number): void {
    if (value === 0xfd2fb528) this.#next('frame', 0)
    else if (value >= 0x184d2a50 && value <= 0x184d2a5f) this.#next('skippable', 0)
    else throw new InvalidLayerError('something that is no zstd frame follows one')
  }

  #readFrame(descriptor: number): void {
    const isSingleSegment = (descriptor & 0x20) !== 0
    this.#hasChecksum = (descriptor & 0x04) !== 0
    const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
    const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
    this.#next('block', (isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes)
  }

  #readBlock(header: number): void {
    const isLast = (header & 1) !== 0
    const isRunLength = ((header >> 1) & 3) === 1
    const blockBytes = isRunLength ? 1 : header >> 3
    if (isLast) this.#next('magic', blockBytes + (this.#hasChecksum ? 4 : 0))
    else this.#next('block', blockBytes)
  }

  #next(part: Part, skip: number): void {
    this.#part = part
    this.#skip = skip
  }
}
