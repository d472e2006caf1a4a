export { findPart, parts } from './parts/find.mjs';
