namespace Dma.Properties;

/// <summary>A back end, and all around it, before which a hostile front end plays.</summary>
internal interface IHostileGround
{
    /// <summary>The stack that the back end uses.</summary>
    FakeHostUsb Stack { get; }

    /// <summary>The device of the front end.</summary>
    FakeHostUsbDevice Device { get; }

    /// <summary>How often the device of another VM was asked for anything.</summary>
    int OthersCalls { get; }

    /// <summary>Whether each request gets its answer where the back end is stopped.</summary>
    bool AnswersEach { get; }

    /// <summary>Requests without a response.</summary>
    int Outstanding { get; }

    /// <summary>Requests that were taken, and responses.</summary>
    (uint Requests, uint Responses) Counts { get; }

    /// <summary>Whether the front end broke its ring.</summary>
    bool IsBroken { get; }

    /// <summary>Begins to serve a guest and another one, each with a device.</summary>
    void Open(FrontEndMemory memory, int seed);

    /// <summary>The device is taken away, and comes back.</summary>
    void Replug();

    /// <summary>The back end is stopped, or ends.</summary>
    void Stop();

    /// <summary>Another back end begins.</summary>
    void Start();

    /// <summary>Fails where the device of a guest that has ended is not where it belongs.</summary>
    void AssertReturned();

    /// <summary>Ends what is left.</summary>
    void Close();
}
