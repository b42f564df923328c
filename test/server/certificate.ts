/** A certificate for localhost and 127.0.0.1 that nobody trusts, signed by itself, valid for a hundred years. */
export const cert: string = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUa2FadcgzE731s11p7U+nS7t0WskwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA2MTM0MFoYDzIxMjYxMDI4
MDYxMzQwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARDm+JUhxHhpL/ELY4pPlUGygztN6ZTkAznbc1CDs6JJWMdrm0YkVh6
SmjMSyHTDlMtI2c3tTtEAwph8Od8gFMko28wbTAdBgNVHQ4EFgQU58w2v78Sb9Gq
dItTtzoPyKdv0F4wHwYDVR0jBBgwFoAU58w2v78Sb9GqdItTtzoPyKdv0F4wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAJkQOoeVTOlYkhMT+5ahz+HiahRxlwFO22J+t5CbxGo3AiAB
iH30FUCNz5mmVaF04O7MwAm5xlJhwLRqaIx1nTosTg==
-----END CERTIFICATE-----
`

/** Its key, which protects nothing. */
export const key: string = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+qT6iU+1eOa4Q6dX
X/63k5n1xXriih3BlsNpdAshMUKhRANCAARDm+JUhxHhpL/ELY4pPlUGygztN6ZT
kAznbc1CDs6JJWMdrm0YkVh6SmjMSyHTDlMtI2c3tTtEAwph8Od8gFMk
-----END PRIVATE KEY-----
`
