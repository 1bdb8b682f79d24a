namespace Dma.UsbDevice;

/// <summary>The device's side of a transport that carries SCSI commands over pipes.</summary>
internal interface IStorageTarget
{
    /// <summary>Whether clearing a halt helps now.</summary>
    bool MayClearHalt { get; }

    /// <summary>Forgets all commands: after a reset, or when the transport is chosen.</summary>
    void Begin();

    /// <summary>Whether an endpoint could take a full packet now.</summary>
    bool IsReadyFor(DeviceEndpoint endpoint);

    /// <summary>Data came for an endpoint.</summary>
    /// <returns>ACK, NAK or STALL.</returns>
    UsbReply Out(DeviceEndpoint endpoint, ReadOnlySpan<byte> data);

    /// <summary>The host asks an endpoint for data, maybe again for the same.</summary>
    /// <returns>Data, NAK or STALL.</returns>
    UsbReply In(DeviceEndpoint endpoint, Span<byte> packet);

    /// <summary>What an endpoint sent last arrived.</summary>
    void Acknowledged(DeviceEndpoint endpoint);
}
