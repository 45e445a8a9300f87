use edgecask::Client;
use edgecask::events::{Events, Start};
use edgecask::systems::automation::{self, Announcement, Notification, WorkflowNotification};
use edgecask::systems::copilot::conversation_topic;
use futures_util::StreamExt;

#[tokio::test]
async fn a_user_gets_events_of_the_channels_the_inbox_and_announcements() {
    let client = Client::memory();
    let events = Events::new(client.clone());
    let channels = automation::subscriptions("ada").unwrap();
    channels.add(&client, ["workflow:w-1", "campaign:c-1"]).await.unwrap();
    let mut followed = automation::follow::<String>(&client, &events, "ada").await.unwrap();
    for (channel, text) in [("workflow:w-1", "step"), ("other:x", "no"), ("campaign:c-1", "sent")] {
        let topic = automation::channel_topic::<String>(&events, channel).unwrap();
        topic.publish(&text.to_owned()).await.unwrap();
    }
    let mut heard = Vec::new();
    for _ in 0..2 {
        let (channel, item) = followed.next().await.unwrap();
        heard.push((channel, item.unwrap().event().unwrap().data));
    }
    heard.sort();
    let expected = [("campaign:c-1", "sent"), ("workflow:w-1", "step")];
    assert_eq!(heard, expected.map(|(channel, text)| (channel.to_owned(), text.to_owned())));
    assert!(automation::channel_topic::<String>(&events, "a::b").is_err());

    let inbox = automation::inbox_topic(&events, "ada").unwrap();
    let mut inbox = inbox.subscribe(Start::Now).await.unwrap();
    let notification = Notification { id: "n-1".to_owned(), ..Default::default() };
    assert_eq!(automation::deliver(&client, &events, "ada", &notification).await.unwrap(), 1);
    let event = inbox.next().await.unwrap().unwrap().event().unwrap();
    assert_eq!(
        (&*event.id, &*event.name, event.data),
        ("n-1", "notification", notification.clone())
    );
    let kept = automation::notifications("ada").unwrap().range(&client, 0, -1).await.unwrap();
    assert_eq!(kept, [notification]);

    channels.add(&client, ["system:maintenance"]).await.unwrap();
    let mut followed =
        automation::follow::<serde_json::Value>(&client, &events, "ada").await.unwrap();
    let all = automation::announcements_topic(&events).unwrap();
    let mut all = all.subscribe(Start::Now).await.unwrap();
    let tonight = Announcement { kind: "maintenance".to_owned(), ..Default::default() };
    automation::announce(&client, &events, &tonight).await.unwrap();
    assert_eq!(all.next().await.unwrap().unwrap().event().unwrap().data, tonight);
    let kept = automation::announcements().unwrap().range(&client, 0, -1).await.unwrap();
    assert_eq!(kept, [tonight]);
    let (channel, item) = followed.next().await.unwrap();
    assert_eq!(channel, "system:maintenance");
    assert_eq!(item.unwrap().event().unwrap().data["type"], "maintenance");

    let done = WorkflowNotification { kind: "step_completed".to_owned(), ..Default::default() };
    automation::tell_workflow(&client, &events, "w-1", &done).await.unwrap();
    let (channel, item) = followed.next().await.unwrap();
    assert_eq!(channel, "workflow:w-1");
    assert_eq!(item.unwrap().event().unwrap().data["type"], "step_completed");
    let kept = automation::workflow_notifications("w-1").unwrap().range(&client, 0, -1).await;
    assert_eq!(kept.unwrap(), [done]);
}

#[tokio::test]
async fn a_conversation_has_the_channel_that_other_services_know() {
    let client = Client::memory();
    let events = Events::new(client.clone());
    let mut plain = client.subscribe(["copilot:events:conversation:acme:c1"]).await.unwrap();
    let topic = conversation_topic::<String>(&events, "acme", "c1").unwrap();
    topic.publish(&"hello".to_owned()).id("m-1").await.unwrap();
    let message = plain.message().await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(
        (&json["data"], &json["id"], &json["offset"]),
        (&"hello".into(), &"m-1".into(), &1.into())
    );
}
