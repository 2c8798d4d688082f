use super::*;
use crate::fixture::{Folder, proposal};
#[test]
fn speed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = Folder::new();
        let store = Store::create(folder.config()).await.unwrap();
        for round in 0..5u64 {
            let t = std::time::Instant::now();
            for n in 0..300 { store.propose(proposal([round * 300 + n])).await.unwrap(); }
            println!("{:?} a proposal", t.elapsed() / 300);
        }
        let t = std::time::Instant::now();
        let p = proposal(100_000..130_000);
        println!("built {:?}", t.elapsed());
        let t = std::time::Instant::now();
        store.propose(p).await.unwrap();
        println!("30000 in one {:?}", t.elapsed());
        store.shutdown().await;
        let t = std::time::Instant::now();
        let store = Store::open(folder.config()).await.unwrap();
        println!("open {:?}", t.elapsed());
        println!("{:?}", *store.leadership().borrow());
        tokio::time::sleep(Duration::from_millis(100)).await;
        println!("{:?}", *store.leadership().borrow());
        store.shutdown().await;
    });
}
