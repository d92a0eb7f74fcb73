//! Tells the linker that the Node-API symbols come from the host at load time.

fn main() {
    napi_build::setup();
}
