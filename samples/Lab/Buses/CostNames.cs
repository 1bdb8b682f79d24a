using Dma.Machine;

namespace Dma.Lab;

/// <summary>What a person reads of something that was charged.</summary>
internal static class CostNames
{
    /// <summary>It in words.</summary>
    public static string Of(Cost cost) => cost switch
    {
        Cost.Exit => "exit",
        Cost.Hypercall => "hypercall",
        Cost.InterruptInjection => "interrupt injected",
        Cost.Notification => "posted interrupt taken",
        Cost.Invalidation => "invalidation",
        Cost.PageFault => "page fault",
        Cost.RegisterAccess => "register access",
        Cost.Upcall => "process woken",
        Cost.SystemCall => "system call",
        Cost.MachineSwitch => "comes onto the processor",
        Cost.Copy => "copy begins",
        _ => cost.ToString(),
    };
}
