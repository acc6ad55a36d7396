//! Gives the shared library the name that programs ask for: it changes with the ABI, not with each release.

#[expect(clippy::disallowed_methods, reason = "this is how Cargo tells a build script for what it builds")]
fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmyicq.so.0");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
