import { X509Certificate } from 'node:crypto'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { AuthError } from '../../../errors.ts'

/** What TLS with one registry needs, in PEM. */
export interface TlsMaterial {
  /** Certificates that are trusted besides the usual ones. */
  readonly ca?: string | undefined
  /** The certificate that shows the registry who asks, with those that lead from it to its CA. */
  readonly certificate?: string | undefined
  /** The key of that certificate, not encrypted. */
  readonly key?: string | undefined
}

/**
 * What TLS with a registry needs, by its name in references; undefined where that is nothing special. It serves
 * requests to the registry's own origin that the user has made, and no others. What it throws is the error of the
 * request; it is asked once for each registry, and again after an error.
 */
export type FindTls = (registry: string) => TlsMaterial | undefined | Promise<TlsMaterial | undefined>

/**
 * What is trusted: what Node trusts (its own list, NODE_EXTRA_CA_CERTS), what the system trusts (SSL_CERT_FILE and
 * SSL_CERT_DIR say where that is), and these.
 */
export function trusting(...certificates: readonly (string | undefined)[]): SecureContext {
  return createSecureContext({ ca: trusted(certificates) })
}

/** The same with the certificates of one registry. Error: AUTH for what is no certificate, no key, or a pair that does not fit. */
export function trustingAsRegistry(
  registry: string,
  ca: string | undefined,
  material: TlsMaterial,
): SecureContext {
  const { certificate, key } = material
  if ((certificate === undefined) !== (key === undefined)) {
    throw new AuthError(`the certificate for ${registry} needs a key, and a key its certificate`)
  }
  try {
    if (material.ca !== undefined) new X509Certificate(material.ca)
    return createSecureContext({ ca: trusted([ca, material.ca]), cert: certificate, key })
  } catch (cause) {
    throw new AuthError(
      `the certificates for ${registry} cannot be used: expected PEM, and a key that fits and has no password`,
      { cause },
    )
  }
}

function trusted(certificates: readonly (string | undefined)[]): string[] {
  const named = certificates.filter((certificate) => certificate !== undefined)
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...named])]
}
