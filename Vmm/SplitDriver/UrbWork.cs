using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A request of a front end that was taken from the ring and has no response yet.</summary>
/// <param name="request">A copy of it.</param>
/// <param name="segments">A copy of its segments, as many as it says.</param>
/// <param name="port">Where it goes.</param>
internal sealed class UrbWork(UrbRequest request, UrbSegment[] segments, BackEndPort port)
{
    /// <summary>The request.</summary>
    public UrbRequest Request => request;

    /// <summary>Pieces of data.</summary>
    public ReadOnlyMemory<UrbSegment> Data => segments.AsMemory(0, request.SegmentCount);

    /// <summary>Pieces of descriptors of packets.</summary>
    public ReadOnlyMemory<UrbSegment> Packets => segments.AsMemory(request.SegmentCount);

    /// <summary>Where it goes.</summary>
    public BackEndPort Port => port;

    /// <summary>bEndpointAddress.</summary>
    public byte Endpoint { get; } = (byte)(request.Pipe.Endpoint | (request.Pipe.In ? 0x80 : 0));

    /// <summary>Whether the device sends the data.</summary>
    public bool In => request.Pipe.Type == UrbType.Control ? (request.Setup & 0x80) != 0 : request.Pipe.In;

    /// <summary>Whether the guest wants it to end, or its device is taken away.</summary>
    public bool IsUnlinked { get; private set; }

    /// <summary>Whether the stack has it.</summary>
    public bool IsRunning { get; set; }

    /// <summary>Lets it end as soon as it can.</summary>
    public void Unlink()
    {
        IsUnlinked = true;
        if (IsRunning && request.Pipe.Type is UrbType.Bulk or UrbType.Interrupt)
            port.Device.Cancel(Endpoint);
    }
}
