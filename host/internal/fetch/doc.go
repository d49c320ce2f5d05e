// Package fetch brings one plugin package from where a request says it is into a local file.
//
// It imports the standard library only. It holds no state: options go in, a [Result] comes out,
// and when a call returns, its connections are closed and nothing of it goes on running.
//
// What it promises:
//
//   - The URL rules are eKuiper's: http or https with a host, or file with an absolute path,
//     and the whole string ends in ".zip". [Check] judges them without touching anything.
//   - No more than Policy.MaxBytes real bytes are ever written, whatever a peer declares.
//   - Policy.Timeout and the context bound everything, also a peer that never answers.
//   - Unless Policy.PrivateNet, no connection is made to an address that is not on the public
//     internet. The address is judged after name resolution, at the moment of the dial, for the
//     first request and for every redirect, so a name that changes its address gains nothing.
//   - TLS certificates are verified, always. Proxies of the environment are not used.
//   - Unless Policy.ExternalFiles, file URLs read below Policy.Uploads only; a symbolic link cannot
//     lead out. Whatever is not a regular file is refused without being opened.
//   - A sha256 that the caller names is compared with the bytes that were written.
//
// On an error the destination may hold a part of the package; the caller throws it away.
// Errors that the sender of the request can mend match [ErrRefused] and name the setting that decides.
package fetch
