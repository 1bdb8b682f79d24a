using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>What a unit does with a page request: it goes into the queue, or is answered at once (VT-d, page request services).</summary>
/// <remarks>
/// <code>
///   device --> may it ask? --yes--> is there room? --yes--> queue, event: software answers
///                    |                     |
///                    no: fault             no: overflow
///                    |                     |
///   device &lt;-- Response Failure    Success: the device tries again, and finds the page missing still
/// </code>
/// Only the last request of a group is ever answered, and it is answered once: here, or by software. A last request that
/// wants neither reading nor writing marks the end of a PASID's requests and is never answered.
/// </remarks>
internal sealed class PageRequestReceiver(PageRequestAdmission admission, PageRequestQueue queue, DeviceTlbs devices)
{
    private const int GroupMask = 0x1FF;

    /// <summary>Takes a request.</summary>
    /// <param name="stream">Who asks.</param>
    /// <param name="request">What for.</param>
    public void Receive(RequestStream stream, in PageRequest request)
    {
        PageRequest asked = request with { Address = new(request.Address.Value & ~0xFFFul), Group = request.Group & GroupMask };
        PageRequestDisposition disposition = admission.TryAdmit(stream, asked) ? queue.Put(DescriptorOf(stream.Port.Source, asked)) : PageRequestDisposition.None;
        bool isStopMarker = !asked.Read && !asked.Write;
        if (disposition == PageRequestDisposition.Stored || !asked.IsLast || isStopMarker)
            return;
        PageResponseCode code = disposition == PageRequestDisposition.Lost ? PageResponseCode.Success : PageResponseCode.Failure;
        devices.Respond(stream.Port.Source, new(asked.Group, asked.Attributes.Pasid, code));
    }

    // A request without PASID has neither privilege nor the wish to execute.
    private static PageRequestDescriptor DescriptorOf(SourceId source, in PageRequest request)
    {
        DmaAttributes attributes = request.Attributes;
        bool carries = attributes.Pasid is not null;
        return new()
        {
            Type = PageRequestDescriptor.PageRequestType,
            PasidPresent = carries,
            Requester = source,
            Pasid = attributes.Pasid ?? default,
            Execute = carries && attributes.Execute,
            Privileged = carries && attributes.Privileged,
            Read = request.Read,
            Write = request.Write,
            LastInGroup = request.IsLast,
            Group = request.Group,
            Address = request.Address,
        };
    }
}
