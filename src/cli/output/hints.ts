import {
  isCertificateCode,
  isNotTlsCode,
  causesOf,
  CopyError,
  errorCode,
  OciError,
  ResponseError,
  type ErrorCode,
} from '../../errors.ts'
import { formatPlace } from '../references.ts'
import type { Party } from './failure.ts'

/** What to do about an error, in one sentence. `isPlanned`: of what carries out a plan. */
export function hintFor(
  error: unknown,
  party: Party | undefined,
  { isPlanned = false }: { readonly isPlanned?: boolean | undefined } = {},
): string {
  const system = systemCode(error)
  const code = errorCode(error)
  const ofSystem = system === undefined ? undefined : systemHint(system, party)
  const ofCode = code === undefined ? undefined : codeHint(code, error, party)
  return (
    ofSystem ??
    choiceHint(error) ??
    (isPlanned && code === 'INVALID_REFERENCE' ? staleHint : undefined) ??
    ofCode ??
    'run it again with --debug to see each request and where it failed'
  )
}

const staleHint =
  'nothing was tagged: make the plan again (--dry-run --format json), look at it, and run that'

/** What a copy was doing when it failed, if that was choosing platforms. */
export const platformOperations: ReadonlySet<string> = new Set(['filter', 'mapRoot'])

/** About what is not at the source, although the reference is. */
function choiceHint(error: unknown): string | undefined {
  if (!(error instanceof CopyError) || errorCode(error) !== 'NOT_FOUND') return undefined
  if (platformOperations.has(error.operation)) return 'give --platform one that is there'
  if (error.operation !== 'find the referrers of') return undefined
  return 'nothing was written: attach what --require-referrer asks for, or leave out that flag'
}

/** The code of the system or of TLS in the causes of an error, such as ENOSPC. */
export function systemCode(error: unknown): string | undefined {
  for (const at of causesOf(error)) {
    if (!(at instanceof OciError) && 'code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}

function systemHint(code: string, party: Party | undefined): string | undefined {
  const flag = (name: string): string => `${party?.prefix ?? '--'}${name}`
  if (isCertificateCode(code)) {
    return `${flag('ca-file')} FILE names the certificates to trust; ${flag('insecure')} trusts whoever answers`
  }
  if (isNotTlsCode(code) || code === 'EPROTO') {
    return `it may speak HTTP without TLS: ${flag('plain-http')}`
  }
  const where = party?.name ?? 'the disk'
  const hints: ReadonlyMap<string, string> = new Map([
    ['ENOSPC', `free space on the disk of ${where}, then run the same command again`],
    ['EDQUOT', `free space within the quota on the disk of ${where}, then run the same command again`],
    ['EROFS', `${where} is on a read-only file system: choose a folder that can be written`],
    ['EACCES', `check the permissions of ${where}`],
    ['EPERM', `check the permissions of ${where}`],
    ['ENOTDIR', `a file stands where ${where} needs a folder: choose another one`],
    ['EMFILE', 'allow the process more open files (ulimit -n), or lower --concurrency'],
    ['EADDRINUSE', 'another process listens there: choose another --listen HOST:PORT'],
    ['EADDRNOTAVAIL', 'that is no address of this machine: choose another --listen HOST:PORT'],
    ['ECONNREFUSED', 'nothing listens there: check the host and port, and that the registry runs'],
    ['ENOTFOUND', 'there is no such host: check its name'],
    ['EAI_AGAIN', 'the name server does not answer: check the network, then try again'],
  ])
  return hints.get(code)
}

function codeHint(code: ErrorCode, error: unknown, party: Party | undefined): string | undefined {
  switch (code) {
    case 'NOT_FOUND':
      return notFoundHint(party)
    case 'AUTH':
      return authHint(party)
    case 'UNREACHABLE':
      return 'check the host, the port and the network, then run the same command again'
    case 'INVALID_MANIFEST':
      return manifestHint(party)
    case 'INVALID_LAYOUT':
      return 'check the folder: an OCI image layout has the files oci-layout and index.json, and a folder blobs'
    case 'INVALID_LAYER':
      return `the layer is damaged at ${party?.name ?? 'its place'}: copy it unchanged, or have it made again there`
    case 'SIZE_MISMATCH':
    case 'DIGEST_MISMATCH':
      return `the content is damaged at ${party?.name ?? 'its place'} or on its way: run it again; if that does not help, restore it there`
    case 'SIZE_EXCEEDS_LIMIT':
      return 'this is larger than any real content: check what the reference names'
    case 'LOCKED':
      return 'wait for the other process to end, or end it, then run the same command again'
    case 'UNSUPPORTED':
    case 'INVALID_REFERENCE':
      return 'one of the references or flags asks for what cannot be had there: change it'
    case 'RESPONSE':
      return responseHint(error, party)
    default:
      return undefined
  }
}

function notFoundHint(party: Party | undefined): string | undefined {
  if (party?.place === undefined) return undefined
  return `check the spelling; copygraph repo tags ${formatPlace(party.place)} lists what is there`
}

function authHint(party: Party | undefined): string {
  const prefix = party?.prefix ?? '--'
  if (party?.hasCredential === true)
    return 'check the user name and the password, and what that user may do there'
  const login = party?.place?.kind === 'repository' ? `, or copygraph login ${party.place.registry}` : ''
  return `give credentials: ${prefix}username NAME ${prefix}password-stdin${login}`
}

function manifestHint(party: Party | undefined): string {
  const where = party?.name ?? 'the source'
  return party?.place?.kind === 'repository'
    ? `check that ${party.place.registry} is a registry; if it is, the manifest is damaged there: push it again`
    : `the manifest at ${where} is damaged: write it there again with the tool that made it`
}

function responseHint(error: unknown, party: Party | undefined): string {
  const where = party?.name ?? 'the registry'
  const status = causesOf(error).find((at) => at instanceof ResponseError)?.status ?? 0
  if (status === 429 || status >= 500)
    return `${where} has a problem of its own: run the same command again later`
  return `${where} refuses this: ask who runs it, or run it again with --debug to see each request`
}
