// The wasm: its bytes, or in a Worker the compiled module. The build puts the one or the other here.
declare module "edgecask-module" {
  const wasm: Uint8Array | WebAssembly.Module;
  export default wasm;
}
