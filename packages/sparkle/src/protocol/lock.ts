/** `sip3`: the two leaves of SIP-3 v0.2, wire-compatible; `v1`: Miniscript leaves, recoverable with any descriptor wallet. */
export type ScriptVersion = 'sip3' | 'v1';
