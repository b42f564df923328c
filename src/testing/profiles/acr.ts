import { challenge } from '../access.ts'
import { afterBytes } from '../wire.ts'
import type { Fault } from '../fault.ts'
import { on, times } from '../match.ts'
import type { Tokens } from '../tokens.ts'
import type { Profile } from './profile.ts'
import { blobsInStorage, tokensAt } from './traits.ts'

/**
 * Azure's registry. The row: "Blob GET redirects to blob storage that answers 400/403 if Authorization is present;
 * oauth2 POST may answer 400, fall back to GET; identity token with user `<token>`; 401 mid-upload seen". The 401 comes
 * once, in the first body of an upload that has more than 64 KiB, and ends all tokens. Not played: the tag push that a
 * retention policy made fail.
 */
export function acr(): Profile {
  return {
    tokens: { refusesPostWith: 400, member: 'access_token' },
    faults: ({ tokens }) => [
      ...tokensAt('/oauth2/token', tokens, { service: 'acr.example' }),
      blobsInStorage(400),
      on(
        {
          method: ['PUT', 'PATCH'],
          endpoint: 'upload',
          when: ({ headers }) => isLarge(headers['content-length']),
        },
        times(1, tokenEnds(tokens)),
      ),
    ],
  }
}

const someBytes = 64 * 1024

function isLarge(length: string | undefined): boolean {
  return length === undefined || Number(length) > someBytes
}

function tokenEnds(tokens: Tokens): Fault {
  const refuse = challenge(tokens, {
    realm: ({ origins }) => `${origins.registry}/oauth2/token`,
    service: 'acr.example',
  })
  return afterBytes(someBytes, (request, next) => {
    tokens.revokeAll()
    return refuse(request, next)
  })
}
