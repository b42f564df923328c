import { z } from 'zod'
import { tryParseJson } from '../../content/try-parse-json.ts'
import { requireBasic } from '../access.ts'
import { changeStatus, headerOf, refuseWith } from '../answers.ts'
import { bodyOf, collect, discard } from '../bodies.ts'
import { changeRequest, type Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { existingRepositoriesOnly } from './traits.ts'

/** How `ecr` takes chunks. */
export interface EcrOptions {
  /**
   * What becomes of the chunks after the first one. `Range` stays behind in either case; a later report says that
   * only this is wrong, and that the chunks are kept.
   * @default 'discarded'
   */
  readonly laterChunks?: 'discarded' | 'kept' | undefined
}

/**
 * Amazon ECR. The row: "Basic challenge; repository must exist (404 NAME_UNKNOWN on POST); PATCH answers 201 and
 * silently discards every chunk after the first while Range does not advance; manifest without top-level mediaType
 * rejected as 'Invalid JSON syntax'; `n` > 1000 is an error". `ecrPublic` plays its public side, `immutableTags` the
 * setting of that name.
 */
export function ecr({ laterChunks = 'discarded' }: EcrOptions = {}): Profile {
  return {
    faults: (parts) => [
      requireBasic(parts.users, 'https://ecr.example'),
      existingRepositoriesOnly(parts),
      on({ method: 'PATCH', endpoint: 'upload' }, lateRange(laterChunks)),
      on({ method: 'PUT', endpoint: 'manifest' }, requireMediaType()),
      on(
        { endpoint: 'tags', when: ({ query }) => Number(query.get('n')) > 1000 },
        refuseWith(400, 'UNSUPPORTED', "Invalid parameter at 'maxResults'"),
      ),
    ],
  }
}

/** public.ecr.aws. The row: "has no tag list: 404 with code NOT_FOUND"; everything else as `ecr` has it. */
export function ecrPublic(options: EcrOptions = {}): Profile {
  return {
    faults: (parts) => [
      ...ecr(options).faults(parts),
      on({ endpoint: 'tags' }, refuseWith(404, 'NOT_FOUND', 'not found')),
    ],
  }
}

/** A tag that points somewhere stays there. */
export function immutableTags(): Fault {
  const refuse = refuseWith(
    400,
    'TAG_INVALID',
    'The tag exists, and tags cannot be overwritten in this repository',
  )
  const isTagged = ({ reference }: { readonly reference: string }): boolean => !reference.includes(':')
  return on({ method: 'PUT', endpoint: 'manifest', when: isTagged }, async (request, next) => {
    const there = await next(changeRequest(request, { method: 'HEAD', headers: {}, body: bodyOf('') }))
    return (there.status === 200 ? refuse : next)(request, next)
  })
}

/** By upload: the Range after its first chunk, which every later answer repeats. */
function lateRange(laterChunks: 'discarded' | 'kept'): Fault {
  const ranges = new Map<string, string | undefined>()
  return async (request, next) => {
    const { reference } = request
    const isFirst = !ranges.has(reference)
    const forwarded =
      isFirst || laterChunks === 'kept'
        ? request
        : changeRequest(request, { method: 'GET', headers: {}, body: bodyOf('') })
    if (forwarded !== request) await discard(request.body)
    const answer = await changeStatus(201)(forwarded, next)
    if (isFirst) ranges.set(reference, headerOf(answer, 'range'))
    return { ...answer, headers: { ...answer.headers, 'content-length': '0', range: ranges.get(reference) } }
  }
}

function requireMediaType(): Fault {
  const refuse = refuseWith(
    405,
    'UNSUPPORTED',
    "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'",
  )
  return async (request, next) => {
    const bytes = await collect(request.body, maxManifestBytes)
    const isTyped = typed.safeParse(tryParseJson(bytes.toString())).success
    return (isTyped ? next : refuse)(changeRequest(request, { body: bodyOf(bytes) }), next)
  }
}

const typed = z.object({ mediaType: z.string() })
const maxManifestBytes = 4 * 1024 * 1024
