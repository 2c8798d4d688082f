//! Turns `proto/gam.proto` into Rust, without a `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/gam.proto");
    let files = protox::compile(["proto/gam.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::codec::LeanCodec")
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
