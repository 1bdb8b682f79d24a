using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that asks for pages and pages, more than the system can keep in mind.</summary>
public sealed class PageRequestFlood : RogueDevice, IDeviceTlb
{
    /// <summary>How many pages it asks for.</summary>
    public const int Count = 5000;

    private const int Groups = 512;

    /// <summary>A device that can ask for pages.</summary>
    public PageRequestFlood()
    {
        _ = AddCapability(new AtsCapability());
        _ = AddCapability(new PageRequestCapability());
        ConnectDeviceTlb(this);
    }

    /// <inheritdoc/>
    public override string Habit => $"asks for {Count} pages at once";

    /// <summary>How many of its groups were answered.</summary>
    public int Answered { get; private set; }

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target)
    {
        for (int count = 0; count < Count; count++)
            Dma.RequestPage(new(new(4096ul * (ulong)count), count % Groups, IsLast: true, Read: true, Write: true));
        return DmaStatus.Success;
    }

    /// <inheritdoc/>
    DeviceTlbAnswer IDeviceTlb.Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    /// <inheritdoc/>
    void IDeviceTlb.Respond(in PageGroupResponse response) => Answered++;
}
