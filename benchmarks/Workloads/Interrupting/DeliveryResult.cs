using Dma.Vmm;

namespace Dma.Workloads;

/// <summary>What a load of interrupts did to a guest. All of it is counted or virtual time, and the same each time.</summary>
/// <param name="Delivery">How they got there.</param>
/// <param name="Load">What was raised.</param>
/// <param name="Handled">How many the guest's handlers got.</param>
/// <param name="Exits">How often the guest was left.</param>
/// <param name="Notifications">How often the processor took posted interrupts in.</param>
/// <param name="TakenNs">Virtual time that all of it took from the guest, in nanoseconds.</param>
public sealed record DeliveryResult(InterruptDelivery Delivery, DeliveryLoad Load, ulong Handled, ulong Exits, ulong Notifications, ulong TakenNs);
