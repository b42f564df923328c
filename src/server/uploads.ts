import type { Content } from '../content/content.ts'
import { isDigest } from '../content/digest.ts'
import { mediaTypes } from '../content/media-types.ts'
import { SizeExceedsLimitError } from '../errors.ts'
import type { Target } from '../targets/target.ts'
import { parseChunkRange } from './byte-range.ts'
import { refusal } from './errors.ts'
import { bodyOf, bodySize, hasBrokenOff, withRepository, type Answer, type Exchange } from './exchange.ts'
import { tryMount } from './mount.ts'
import type { UploadSession } from './upload-session.ts'

/** POST of an upload: begins one, mounts a blob instead (`mount`), or takes the whole blob at once (`digest`). */
export async function startUpload(exchange: Exchange): Promise<Answer> {
  const { uploads, name, query } = exchange
  return withRepository(exchange, 'write', async (target) => {
    const mount = query.get('mount')
    // A refused mount opens an upload, whatever else was asked for: a 201 always means the blob that was to be mounted.
    const digest = mount === null ? query.get('digest') : null
    if (mount !== null && (await tryMount(exchange, target, mount))) return blobCreated(name, mount)
    if (digest !== null && !isDigest(digest)) return invalidDigest()
    const session = uploads.begin(name)
    if (session === undefined) {
      return refusal(429, 'TOOMANYREQUESTS', 'too many unfinished uploads', { 'Retry-After': '60' })
    }
    if (digest === null) return progress(202, session)
    try {
      return await exclusively(exchange, session, () => finish(exchange, target, session, digest))
    } finally {
      // Nobody has been told of it, so that nobody can go on with what has come.
      await uploads.drop(session)
    }
  })
}

/**
 * GET of an upload: how far it is. Who asks has mostly lost a connection whose last bytes are still on their way here:
 * an answer before they have come would be wrong when it arrives.
 */
export async function uploadStatus(exchange: Exchange): Promise<Answer> {
  const session = exchange.uploads.find(exchange.name, exchange.reference)
  if (session === undefined) return unknownUpload()
  await session.untilIdle(statusMilliseconds)
  return session.isDropped ? unknownUpload() : progress(204, session)
}

/** A request that goes on for longer is not a broken one. */
const statusMilliseconds = 1000

/** PATCH of an upload: the next chunk, or a stream without a Content-Range. */
export async function appendToUpload(exchange: Exchange): Promise<Answer> {
  const { uploads, name, reference } = exchange
  const session = uploads.find(name, reference)
  if (session === undefined) return unknownUpload()
  return exclusively(exchange, session, async () => {
    const refused = refuseChunk(exchange, session)
    if (refused !== undefined) return refused
    await append(exchange, session)
    return session.isDropped ? unknownUpload() : progress(202, session)
  })
}

/** PUT of an upload: its end, with the last chunk or the whole blob in the body, or neither. */
export async function finishUpload(exchange: Exchange): Promise<Answer> {
  const { uploads, name, reference, query } = exchange
  const digest = query.get('digest') ?? ''
  const session = uploads.find(name, reference)
  if (session === undefined) return unknownUpload()
  if (!isDigest(digest)) return invalidDigest()
  return withRepository(exchange, 'write', (target) =>
    exclusively(exchange, session, async () => {
      return refuseChunk(exchange, session) ?? finish(exchange, target, session, digest)
    }),
  )
}

/** DELETE of an upload: what was received is thrown away. */
export async function cancelUpload({ uploads, name, reference }: Exchange): Promise<Answer> {
  const session = uploads.find(name, reference)
  if (session === undefined) return unknownUpload()
  await uploads.drop(session)
  return { status: 204 }
}

async function exclusively(
  { uploads }: Exchange,
  session: UploadSession,
  act: () => Promise<Answer>,
): Promise<Answer> {
  const answer = await session.exclusively(act)
  uploads.touch(session)
  return (
    answer ?? refusal(409, 'BLOB_UPLOAD_INVALID', 'another request is using this upload, or has ended it')
  )
}

/** A whole blob of up to this size goes to the target as it comes; of a larger one what has come is kept if it breaks off. */
const directBytes = 8 * 1024 * 1024

/** An upload ends here, whether it succeeds or not, unless its body breaks off. */
async function finish(
  exchange: Exchange,
  target: Target,
  session: UploadSession,
  digest: string,
): Promise<Answer> {
  const { request, uploads, limits, signal } = exchange
  const length = bodySize(request)
  const isDirect =
    session.offset === 0 && length !== undefined && length <= Math.min(directBytes, limits.maxBlobBytes)
  if (!isDirect) await append(exchange, session)
  try {
    if (session.isDropped) return unknownUpload()
    const [size, content]: [number, Content] = isDirect
      ? [length, bodyOf(request)]
      : [session.offset, session.content({ signal })]
    await target.push({ mediaType: mediaTypes.octetStream, digest, size }, content, { signal })
  } finally {
    await uploads.drop(session)
  }
  return blobCreated(session.name, digest)
}

/** A body that breaks off leaves what came of it, to go on from; after any other failure the upload is over. */
async function append({ request, uploads, limits }: Exchange, session: UploadSession): Promise<void> {
  try {
    if (session.offset + (bodySize(request) ?? 0) > limits.maxBlobBytes) {
      throw new SizeExceedsLimitError(`an upload may have ${limits.maxBlobBytes} bytes at most`)
    }
    await session.append(bodyOf(request), limits.maxBlobBytes)
  } catch (error) {
    if (!hasBrokenOff(request)) await uploads.drop(session)
    throw error
  }
}

/** Refuses a chunk that does not begin where the upload is, or is not as long as it says (distribution-spec, 416). */
function refuseChunk({ request }: Exchange, session: UploadSession): Answer | undefined {
  const header = request.headers['content-range']
  if (header === undefined) return undefined
  const range = parseChunkRange(header)
  const length = bodySize(request)
  if (range === undefined || range.start !== session.offset || range.end <= range.start) {
    const { headers } = progress(416, session)
    return refusal(416, 'BLOB_UPLOAD_INVALID', `the next chunk must begin at ${session.offset}`, headers)
  }
  if (length === range.end - range.start) return undefined
  return refusal(400, 'SIZE_INVALID', 'Content-Range and Content-Length must say the same length')
}

/** Where an upload is. Zero bytes and one byte look the same: `0-0` (as distribution answers, and clients expect). */
function progress(status: number, { id, name, offset }: UploadSession): Answer {
  return {
    status,
    headers: {
      Location: `/v2/${name}/blobs/uploads/${id}`,
      Range: `0-${Math.max(0, offset - 1)}`,
      'Docker-Upload-UUID': id,
    },
  }
}

function blobCreated(name: string, digest: string): Answer {
  return {
    status: 201,
    headers: { Location: `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest': digest },
  }
}

function unknownUpload(): Answer {
  return refusal(404, 'BLOB_UPLOAD_UNKNOWN', 'no such upload in this repository')
}

function invalidDigest(): Answer {
  return refusal(400, 'DIGEST_INVALID', 'the query must have a digest of a supported algorithm')
}
