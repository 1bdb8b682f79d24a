using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A request of a front end that was taken from the ring and has no response yet.</summary>
/// <remarks>It is used again for another one: as many as are under way at a time are ever made.</remarks>
internal sealed class UrbWork
{
    private readonly UrbSegment[] _segments = new UrbSegment[UrbRequest.SegmentsMax];
    private int _count;

    /// <summary>The request.</summary>
    public UrbRequest Request { get; private set; }

    /// <summary>Pieces of data.</summary>
    public ReadOnlyMemory<UrbSegment> Data => _segments.AsMemory(0, Request.SegmentCount);

    /// <summary>Pieces of descriptors of packets.</summary>
    public ReadOnlyMemory<UrbSegment> Packets => _segments.AsMemory(Request.SegmentCount, _count - Request.SegmentCount);

    /// <summary>Where it goes.</summary>
    public BackEndPort Port { get; private set; } = null!;

    /// <summary>bEndpointAddress.</summary>
    public byte Endpoint => (byte)(Request.Pipe.Endpoint | (Request.Pipe.In ? 0x80 : 0));

    /// <summary>Whether the device sends the data.</summary>
    public bool In => Request.Pipe.Type == UrbType.Control ? (Request.Setup & 0x80) != 0 : Request.Pipe.In;

    /// <summary>Whether the guest wants it to end, or its device is taken away.</summary>
    public bool IsUnlinked { get; private set; }

    /// <summary>Whether the stack has it.</summary>
    public bool IsRunning { get; set; }

    /// <summary>Begins to stand for a request.</summary>
    /// <param name="request">A copy of it.</param>
    /// <param name="segments">Its segments, as many as it says.</param>
    /// <param name="port">Where it goes.</param>
    public void Begin(in UrbRequest request, ReadOnlySpan<UrbSegment> segments, BackEndPort port)
    {
        segments.CopyTo(_segments);
        (Request, _count, Port, IsUnlinked, IsRunning) = (request, segments.Length, port, false, false);
    }

    /// <summary>Lets it end as soon as it can.</summary>
    public void Unlink()
    {
        IsUnlinked = true;
        if (IsRunning && Request.Pipe.Type is UrbType.Bulk or UrbType.Interrupt)
            Port.Device.Cancel(Endpoint);
    }
}
