import { htmlPage } from '../answers.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { blobsInStorage, compresses, limitBody } from './traits.ts'

/** The bounds of `cdn`. */
export interface CdnOptions {
  /** The largest body of a request. @default 100 MB */
  readonly maxBodyBytes?: number | undefined
}

/**
 * A registry behind a CDN and a proxy. The row: "Cloudflare 100 MB request cap gives 413; nginx gzip on GET; S3
 * pre-signed URLs refuse Authorization".
 */
export function cdn({ maxBodyBytes = 100 * 1000 * 1000 }: CdnOptions = {}): Profile {
  return {
    faults: () => [
      limitBody(maxBodyBytes, htmlPage(413)),
      blobsInStorage(403),
      on({ method: 'GET', endpoint: ['manifest', 'tags', 'referrers'] }, compresses()),
    ],
  }
}
