/** For `--help`. */
export const referencesHelp: string = `
References:
  host/repository:tag, host/repository@digest, host/repository:tag@digest
  docker://alpine                        as docker reads it: docker.io/library/alpine:latest
  oci:DIR:tag, oci:DIR@digest, oci:DIR   an OCI image layout; also ocidir://DIR:tag
`
