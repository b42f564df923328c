import { errorAnswer, headerOf } from '../answers.ts'
import { bodyOf, discard } from '../bodies.ts'
import { changeRequest, type Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { ignoresSubjects, limitBody, noDelete, noReferrersApi, tagPages, tokensAt } from './traits.ts'

/**
 * GitHub's registry. The row: "Referrers API 404; manifest DELETE 405; PATCH body over 4 MiB answered 416 'body too
 * large', monolithic PUT has no such limit; tags default page 100 with Link; public pull still needs an anonymous
 * token".
 */
export function ghcr(): Profile {
  return {
    faults: ({ tokens }) => [
      ...tokensAt('/token', tokens, { service: 'ghcr.io' }),
      on({ method: 'PATCH', endpoint: 'upload' }, limitBody(4 * 1024 * 1024, bodyTooLarge)),
      tagPages(100),
      noReferrersApi(),
      ignoresSubjects(),
      noDelete(),
    ],
  }
}

/** It says how far the upload is, from where a client can go on with less. */
const bodyTooLarge: Fault = async (request, next) => {
  const asking = changeRequest(request, { method: 'GET', headers: {}, body: bodyOf('') })
  const status = await next(asking)
  await discard(status.body)
  const error = { code: 'BLOB_UPLOAD_INVALID', message: 'body too large' }
  return errorAnswer(416, error, {
    location: headerOf(status, 'location'),
    range: headerOf(status, 'range'),
  })
}
