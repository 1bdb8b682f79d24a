using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A unit in scalable mode that takes page requests of one device, with a queue of one page, and software that looks by hand.</summary>
internal sealed class PageRequestWorld : IDisposable, IDeviceTlb
{
    /// <summary>How many requests fit: one slot of the ring stays free.</summary>
    public const int Capacity = 127;

    public PageRequestWorld(HardwareProfile profile)
    {
        Tables = new(profile);
        Ring = Tables.World.Frame();
        Tables.Context = Tables.Context with { PageRequestsEnabled = true };
        World.Write(RegisterOffsets.PageRequestQueueAddress, Ring.Value);
        World.Unit.Connect(RemappingWorld.Device, this);
    }

    public PageRequestWorld()
        : this(HardwareProfile.Named("friendly-scalable"))
    {
    }

    public ScalableWorld Tables { get; }

    public RemappingWorld World => Tables.World;

    public PhysicalAddress Ring { get; private set; }

    /// <summary>What the device was told.</summary>
    public List<PageGroupResponse> Responses { get; } = [];

    public PageRequestStatus Status
    {
        get => new(new(World.Read(RegisterOffsets.PageRequestStatus, 4)));
        set => World.Write(RegisterOffsets.PageRequestStatus, value.Raw.Value, 4);
    }

    public EventControl Event
    {
        get => new(new(World.Read(RegisterOffsets.PageRequestEventControl, 4)));
        set => World.Write(RegisterOffsets.PageRequestEventControl, value.Raw.Value, 4);
    }

    public ulong Head
    {
        get => World.Read(RegisterOffsets.PageRequestQueueHead);
        set => World.Write(RegisterOffsets.PageRequestQueueHead, value);
    }

    public ulong Tail => World.Read(RegisterOffsets.PageRequestQueueTail);

    /// <summary>Lets events raise an interrupt.</summary>
    public void Unmask()
    {
        World.Write(RegisterOffsets.PageRequestEventAddress, InterruptRange.First, 4);
        World.Write(RegisterOffsets.PageRequestEventData, 0x41, 4);
        Event = default;
    }

    /// <summary>The device asks.</summary>
    public void Ask(ulong address, int group = 0, bool isLast = true, bool write = false, Pasid? pasid = null) =>
        World.Port.RequestPage(new(new(address), group, isLast, Read: true, write, new() { Pasid = pasid }));

    /// <summary>The descriptor in a slot.</summary>
    public PageRequestDescriptor At(ulong offset) => new(Tables.Get<Bits256>(Ring + offset));

    public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    public void Respond(in PageGroupResponse response) => Responses.Add(response);

    public void Dispose() => Tables.Dispose();
}
