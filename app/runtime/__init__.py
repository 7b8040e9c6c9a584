"""What touches Kafka and Faust: transport, lanes, ledger, readers and writers. No rule about orders is here."""
