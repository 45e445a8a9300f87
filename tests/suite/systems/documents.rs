//! What the documents of the systems store, on the embedded engine, over TCP and through the REST server.

use edgecask_behaviour::{DOCUMENTS, Document};

use super::everywhere;

async fn is_kept(name: &str) {
    let document: &Document = DOCUMENTS.iter().find(|document| document.name() == name).unwrap();
    everywhere(async |client| document.run(&client).await).await;
}

macro_rules! documents {
    ($($name:ident),+) => {
        $(
            #[tokio::test]
            async fn $name() {
                is_kept(stringify!($name)).await;
            }
        )+

        #[test]
        fn none_is_left_out() {
            let names: Vec<&str> = DOCUMENTS.iter().map(Document::name).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}

documents!(council, copilot, phoenix, automation, cache_service);
