// The wasm: its bytes, or in a Worker the compiled module. The build provides one of the two.
declare module "edgecask-module" {
  const wasm: Uint8Array | WebAssembly.Module;
  export default wasm;
}
