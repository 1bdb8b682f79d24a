using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Whether a unit takes a page request: mode, root, context, and whether the PASID may be one.</summary>
/// <remarks>Tables are not walked for it: what they lack is what the device asks for.</remarks>
internal sealed class PageRequestAdmission(Translator translator, FaultLog faults)
{
    /// <summary>Looks at what the tables say of the requester, and forgets what is cached for the page.</summary>
    /// <param name="stream">Who asks.</param>
    /// <param name="request">What for.</param>
    /// <returns><c>false</c> where it is refused; the fault was reported. Where nothing is translated, and in abort mode, there is none.</returns>
    public bool TryAdmit(RequestStream stream, in PageRequest request)
    {
        // 1. While nothing is translated, no page is missing. The mode must know page requests.
        if (!translator.IsEnabled || translator.Mode.Aborts)
            return false;
        FaultReason reason = translator.Mode.AdmitPageRequest();
        if (reason != FaultReason.None)
            return Refuse(stream, reason, request, suppressed: false);

        // 2. Root and context.
        ScalableContext context = translator.Scalable.ContextOf(translator.Mode.Table, stream);
        Pasid pasid = request.Attributes.Pasid ?? context.RequesterPasid;
        reason = context.Fault != FaultReason.None ? context.Fault : Check(context, request.Attributes.Pasid);
        if (reason != FaultReason.None)
            return Refuse(stream, reason, request, context.FaultProcessingDisable);

        // 3. Nothing that is cached may make the device ask again.
        if (pasid.Value >> context.PasidBits == 0)
            translator.Scalable.Forget(stream, context, pasid, request.Address.Value);
        return true;
    }

    private static FaultReason Check(in ScalableContext context, Pasid? carried)
    {
        // SCT.6: requests with PASID need PASIDE.
        if (carried is not null && !context.PasidEnabled)
            return FaultReason.PasidDisabled;

        // SCT.7: the PASID must lie in the directory.
        if (carried is { } pasid && pasid.Value >> context.PasidBits != 0)
            return FaultReason.PasidBeyondDirectory;

        // SCT.8: page requests need PRE.
        return context.PageRequestsEnabled ? FaultReason.None : FaultReason.PageRequestsDisabled;
    }

    private bool Refuse(RequestStream stream, FaultReason reason, in PageRequest request, bool suppressed)
    {
        RemappingFault fault = new(stream.Port.Source, reason, request.Address, request.Write, request.Attributes) { IsPageRequest = true };
        faults.Report(fault, suppressed);
        return false;
    }
}
